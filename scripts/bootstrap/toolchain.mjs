import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { npm } from "./npm.mjs";
import { SetupError, step } from "./step.mjs";

/** The Node that is fetched when the one found is older than {@link minimumMajor}. */
const toolchainVersion = "24.21.0";

/** The oldest Node that runs the TypeScript sources directly and has node:sqlite. */
export const minimumMajor = 24;

/** The folder that holds package.json, wherever the command was started. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const platform = `node-${process.platform}-${process.arch}`;
const toolchain = join(root, ".toolchain", platform);

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

/** The package is unpacked aside, tried, and only then renamed into place: the path holds a whole Node or none. */
async function fetchToolchain() {
  mkdirSync(dirname(toolchain), { recursive: true });
  const aside = mkdtempSync(join(dirname(toolchain), ".fetch-"));
  try {
    writeFileSync(join(aside, "package.json"), '{ "private": true }\n');
    const { code, output } = await npm(
      ["install", "--no-save", "--no-package-lock", "--ignore-scripts", `${platform}@${toolchainVersion}`],
      { cwd: aside },
    );
    if (code !== 0) throw new SetupError(`npm could not fetch ${platform}@${toolchainVersion}\n${output}`, byHand);
    const fetched = join(aside, "node_modules", platform);
    tryOut(join(fetched, "bin", "node"));
    if (existsSync(toolchain)) renameSync(toolchain, join(aside, "previous"));
    renameSync(fetched, toolchain);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return `node ${toolchainVersion} (.toolchain; this shell has ${process.versions.node})`;
}

function tryOut(path) {
  try {
    execFileSync(path, ["--version"], { stdio: "ignore" });
  } catch (error) {
    throw new SetupError(`the Node from npm does not run on this machine: ${error.message}`, byHand);
  }
}

const byHand = `install Node ${minimumMajor} or newer (https://nodejs.org/en/download), then run the same command again`;
