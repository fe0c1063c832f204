#!/usr/bin/env node
// Sets up what a command needs and runs it. Plain JavaScript without dependencies: this file and those in bootstrap/
// run before anything is installed, on Node 18 and later.
import { delimiter, dirname, join } from "node:path";
import { withLock } from "./bootstrap/lock.mjs";
import { ensureNativeParts } from "./bootstrap/native-parts.mjs";
import { ensureNodePackages } from "./bootstrap/node-packages.mjs";
import { handOver } from "./bootstrap/process.mjs";
import { done, failure } from "./bootstrap/step.mjs";
import { ensureSystemPackages, packagesFor, pathWithSystemFolders } from "./bootstrap/system-packages.mjs";
import { compileCache, ensureNode, root } from "./bootstrap/toolchain.mjs";

const commands = {
  demo: {
    help: "run the main job: a fleet enrols, rotates, is revoked, and its certificate age is seen",
    packages: packagesFor.demo,
    script: ["scripts/demo/main.ts"],
    env: { NODE_COMPILE_CACHE: compileCache },
  },
  test: {
    help: "run every check and every test",
    packages: packagesFor.test,
    script: ["scripts/check.ts", "--all"],
  },
  "test-long": {
    help: "the same with the full counts and soaks",
    packages: packagesFor.test,
    script: ["scripts/check.ts", "--all"],
    env: { FLEETCERT_LONG: "1" },
  },
  check: {
    help: "format, lint, types, dead code, unit and architecture tests; under a minute",
    packages: packagesFor.check,
    script: ["scripts/check.ts"],
  },
  bench: {
    help: "run the benchmarks: bench [NAME…] [--json FILE]",
    packages: packagesFor.bench,
    script: ["test/bench/run.ts"],
  },
  setup: {
    help: "only set up: Node, system packages, npm packages, native parts",
    packages: packagesFor.test,
  },
};

const [name, ...args] = process.argv.slice(2);
const command = Object.hasOwn(commands, name ?? "") ? commands[name] : undefined;
if (command) {
  process.exitCode = await run(command, args).catch(stop);
} else {
  const list = Object.entries(commands).map(([key, { help }]) => `  ${key.padEnd(10)} ${help}\n`);
  const asked = name === "help" || name === "--help";
  process[asked ? "stdout" : "stderr"].write(`usage: node scripts/run.mjs COMMAND [ARGUMENT…]\n\n${list.join("")}`);
  process.exitCode = asked ? 0 : 2;
}

async function run({ packages, script, env }, args) {
  const wanted = packages === packagesFor.demo ? demoPackages(args) : packages;
  const node = await withLock(join(root, ".toolchain", "setup.lock"), () => setUp(wanted));
  if (!script) {
    done(`everything is in place; Node is ${node.path}`);
    return 0;
  }
  const [file, ...fixed] = script;
  return handOver(node.path, ["--disable-warning=ExperimentalWarning", join(root, file), ...fixed, ...args], {
    env: { ...process.env, PATH: pathFor(node), ...env },
  });
}

/** `--keys tpm`, `--keys=mixed` and so on: what only they need is installed only for them. */
function demoPackages(args) {
  const line = args.join(" ");
  const tpms = /--keys[ =](tpm|mixed)\b/.test(line) ? packagesFor["demo with TPMs"] : packagesFor.demo;
  return /--scenario[ =](revocation|rotation)\b/.test(line)
    ? [...new Set([...tpms, ...packagesFor["demo with services"]])]
    : tpms;
}

async function setUp(packages) {
  const node = await ensureNode();
  await ensureSystemPackages(packages);
  await ensureNodePackages(node);
  await ensureNativeParts(node);
  return node;
}

/** Whatever is started from here finds the same Node first and Debian's daemons last. */
function pathFor(node) {
  return `${dirname(node.path)}${delimiter}${pathWithSystemFolders()}`;
}

function stop(error) {
  failure(error);
  return 1;
}
