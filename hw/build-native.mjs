/**
 * Builds the addon that lets node:tls sign with a token key: `node hw/build-native.mjs [--required]`.
 *
 * Plain JavaScript that also runs on Node 20, because it runs during installation. The native part is optional: without a
 * compiler it says so in one line and exits 0, unless --required is given. A build whose inputs have not changed is kept.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const sources = join(here, "native");
const addon = join(sources, "build", "Release", "fleetcert_tls.node");
const stampFile = join(sources, "build", "fleetcert.stamp");
const isRequired = process.argv.includes("--required");

process.exitCode = main();

function main() {
  const nodedir = process.env["npm_config_nodedir"] || toolchain();
  const stamp = stampOf(nodedir);
  if (existsSync(addon) && readOr(stampFile, "") === stamp) return 0;

  if (process.platform === "win32") return giveUp("it is not ported to Windows", "use software keys there");
  const missing = ["make", "python3"].filter((tool) => !onPath(tool));
  if (!onPath("cc") && !onPath("gcc") && !onPath("clang")) missing.unshift("a C compiler");
  if (missing.length > 0)
    return giveUp(`${missing.join(", ")} not found`, "sudo apt-get install build-essential python3");
  const nodeGyp = findNodeGyp();
  if (nodeGyp === undefined)
    return giveUp("node-gyp not found inside npm", "sudo apt-get install npm, or reinstall Node with npm");

  const options = nodedir === undefined ? [] : [`--nodedir=${nodedir}`];
  const build = spawnSync(process.execPath, [nodeGyp, "rebuild", "--loglevel=warn", ...options], {
    cwd: sources,
    encoding: "utf8",
    timeout: 300_000,
  });
  if (build.status !== 0 || !existsSync(addon)) {
    process.stderr.write(`${build.stdout ?? ""}${build.stderr ?? ""}${build.error?.message ?? ""}\n`);
    return giveUp("the build failed, its output is above", "node hw/build-native.mjs --required");
  }
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);
  console.log("token TLS addon: built");
  return 0;
}

/** One clear line; the exit code. */
function giveUp(why, remedy) {
  console.log(`token TLS addon: not built, ${why}; TLS with token keys will not work. To get it: ${remedy}`);
  return isRequired ? 1 : 0;
}

/** The headers of the Node that scripts/run.mjs installs, when it has. */
function toolchain() {
  const directory = join(here, "..", ".toolchain", `node-${process.platform}-${process.arch}`);
  return existsSync(join(directory, "include", "node", "node_api.h")) ? directory : undefined;
}

/** What a build depends on: the sources and the Node whose headers are used. The N-API version makes the rest irrelevant. */
function stampOf(nodedir) {
  const hash = createHash("sha256");
  for (const name of readdirSync(sources).sort()) {
    if (/\.(c|h|gyp)$/.test(name)) hash.update(`${name}\0`).update(readFileSync(join(sources, name)));
  }
  const headers = nodedir && readOr(join(nodedir, "include", "node", "node_version.h"), "");
  return hash
    .update(headers || `${process.version} ${process.versions.modules}`)
    .update(`${process.platform} ${process.arch}`)
    .digest("hex");
}

/** node-gyp ships inside npm; Debian packages it beside npm. */
function findNodeGyp() {
  const npmHomes = [
    process.env["npm_execpath"] && dirname(dirname(process.env["npm_execpath"])),
    onPath("npm") && dirname(dirname(realpathSync(onPath("npm")))),
    join(dirname(dirname(process.execPath)), "lib", "node_modules", "npm"),
    "/usr/share/nodejs/npm",
    "/usr/share/nodejs",
  ];
  return npmHomes
    .filter(Boolean)
    .flatMap((home) => [join(home, "node_modules"), home])
    .map((modules) => join(modules, "node-gyp", "bin", "node-gyp.js"))
    .find((file) => existsSync(file));
}

function onPath(program) {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((directory) => directory !== "")
    .map((directory) => join(directory, program))
    .find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function readOr(file, fallback) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return fallback;
  }
}
