import * as nodeModule from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { handOver } from "./bootstrap/process.mjs";
import { failure, SetupError } from "./bootstrap/step.mjs";
import { compileCache, findNode, isRunningNodeNewEnough, minimumMajor, root } from "./bootstrap/toolchain.mjs";

/**
 * Starts a program of this checkout, whatever Node the shell found: in this process when its Node is new enough,
 * otherwise on the one in `.toolchain/`, with signals passed on and its exit code returned.
 * @param {string} main the program's TypeScript file, from the root of the checkout
 */
export async function launch(main) {
  const file = join(root, main);
  if (isRunningNodeNewEnough) {
    hideExperimentalWarnings();
    // By namespace, because an old Node lacks the name and would refuse the import of it.
    nodeModule.enableCompileCache(compileCache);
    await import(pathToFileURL(file).href);
    return;
  }
  const node = findNode();
  if (!node) {
    failure(
      new SetupError(
        `this needs Node ${minimumMajor} or newer; the shell found ${process.versions.node}`,
        `run "node scripts/run.mjs setup" in ${root}, or install Node ${minimumMajor}`,
      ),
    );
    process.exitCode = 1;
    return;
  }
  const args = ["--disable-warning=ExperimentalWarning", file, ...process.argv.slice(2)];
  process.exitCode = await handOver(node.path, args, { env: { NODE_COMPILE_CACHE: compileCache, ...process.env } });
}

/** What the flag --disable-warning=ExperimentalWarning does, for a process that has started without it. */
function hideExperimentalWarnings() {
  const printers = process.listeners("warning");
  process.removeAllListeners("warning");
  process.on("warning", (warning) => {
    if (warning.name === "ExperimentalWarning") return;
    for (const print of printers) print.call(process, warning);
  });
}
