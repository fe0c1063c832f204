import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findNpmScript, npm } from "./npm.mjs";
import { SetupError, step } from "./step.mjs";

/** The Node that is fetched when the one found is older than {@link minimumMajor}. */
const toolchainVersion = "24.21.0";

/** The npm that is fetched when the one found does not run on that Node. */
const npmVersion = "11.19.1";

/** The oldest Node that runs the TypeScript sources directly and has node:sqlite. */
export const minimumMajor = 24;

/** The folder that holds package.json, wherever the command was started. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const platform = `node-${process.platform}-${process.arch}`;
const toolchain = join(root, ".toolchain", platform);
const ownNpm = join(root, ".toolchain", "npm", "bin", "npm-cli.js");

/** Where compiled code is kept between starts; it halves the time to the first output of a program. */
export const compileCache = join(root, ".toolchain", "compile-cache");

/** Whether the Node that runs this very process is new enough. */
export const isRunningNodeNewEnough = Number(process.versions.node.split(".")[0]) >= minimumMajor;

/**
 * The Node to run Fleetcert with, or undefined when there is none yet.
 * `headers` is a folder for node-gyp's `nodedir`, where the Node came with its headers.
 * @returns {{ path: string, version: string, headers: string | undefined } | undefined}
 */
export function findNode() {
  if (isRunningNodeNewEnough) return describe(process.execPath, process.versions.node);
  const path = join(toolchain, "bin", "node");
  return existsSync(path) ? describe(path, toolchainVersion) : undefined;
}

/** Makes sure that there is a Node to run Fleetcert with; fetches one from npm into `.toolchain/` when needed. */
export async function ensureNode() {
  if (!isRunningNodeNewEnough && installedVersion() !== toolchainVersion) {
    await step(`fetching Node ${toolchainVersion}`, fetchToolchain);
  }
  return findNode();
}

/**
 * Makes sure that there is an npm that runs on that Node; resolves to its script. npm leaves out optional packages whose
 * `engines` do not fit the Node it runs on itself, so an npm on an old Node would install half of what is needed; and
 * Debian's npm finds its own modules only with Debian's Node.
 * @param {{ path: string }} node
 * @returns {Promise<string | undefined>} undefined for whatever `npm` is on the PATH
 */
export async function ensureNpm(node) {
  if (existsSync(ownNpm)) return ownNpm;
  const script = findNpmScript();
  const { code } = await npm(["--version"], { cwd: root, script, node });
  if (code === 0) return script;
  await step(`fetching npm ${npmVersion}`, async () => {
    await fetchPackage(`npm@${npmVersion}`, { into: dirname(dirname(ownNpm)), tryOut: () => undefined });
    return `npm ${npmVersion} (.toolchain; the one of this shell does not run on Node ${node.version})`;
  });
  return ownNpm;
}

/** The npm to build with, without trying it. */
export function findNpm() {
  return existsSync(ownNpm) ? ownNpm : findNpmScript();
}

function describe(path, version) {
  const prefix = dirname(dirname(path));
  const headers = existsSync(join(prefix, "include", "node", "node_api.h")) ? prefix : undefined;
  return { path, version, headers };
}

function installedVersion() {
  try {
    return JSON.parse(readFileSync(join(toolchain, "package.json"), "utf8")).version;
  } catch {
    return undefined;
  }
}

async function fetchToolchain() {
  await fetchPackage(`${platform}@${toolchainVersion}`, {
    into: toolchain,
    tryOut: (folder) => execFileSync(join(folder, "bin", "node"), ["--version"], { stdio: "ignore" }),
  });
  return `node ${toolchainVersion} (.toolchain; this shell has ${process.versions.node})`;
}

/** Unpacked aside, tried, and only then renamed into place: the path holds a whole package or none. */
async function fetchPackage(spec, { into, tryOut }) {
  const folder = dirname(into);
  mkdirSync(folder, { recursive: true });
  const aside = mkdtempSync(join(folder, ".fetch-"));
  try {
    writeFileSync(join(aside, "package.json"), '{ "private": true }\n');
    const fetch = ["install", "--no-save", "--no-package-lock", "--ignore-scripts", spec];
    const { code, output } = await npm(fetch, { cwd: aside, script: findNpmScript() });
    if (code !== 0) throw new SetupError(`npm could not fetch ${spec}\n${output}`, byHand);
    const fetched = join(aside, "node_modules", spec.slice(0, spec.lastIndexOf("@")));
    try {
      tryOut(fetched);
    } catch (error) {
      throw new SetupError(`${spec} does not run on this machine: ${error.message}`, byHand);
    }
    if (existsSync(into)) renameSync(into, join(aside, "previous"));
    renameSync(fetched, into);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

const byHand = `install Node ${minimumMajor} or newer (https://nodejs.org/en/download), then run the same command again`;
