import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { npm } from "./npm.mjs";
import { note, SetupError, step } from "./step.mjs";
import { canCompile } from "./system-packages.mjs";
import { ensureNpm, root } from "./toolchain.mjs";

const stampFile = join(root, "node_modules", ".fleetcert-stamp.json");

/**
 * Installs the npm packages of the lockfile, once: a stamp inside node_modules names the lockfile and Node they are for.
 * They are installed again when a compiler has appeared, because the native ones were left out without it.
 * @param {{ path: string, version: string, headers: string | undefined }} node
 */
export async function ensureNodePackages(node) {
  const wanted = { lockfile: lockfileHash(), node: node.version, native: canCompile() };
  const found = readStamp();
  const isCurrent = found?.lockfile === wanted.lockfile && found.node === wanted.node;
  if (isCurrent && (found.native || !wanted.native)) return;
  const script = await ensureNpm(node);
  await step("installing npm packages", async () => {
    const ci = (...more) => npm(["ci", "--include=dev", "--include=optional", ...more], { cwd: root, script, node });
    // The lockfile says what everything must be: asking the registry again is only for what the cache does not have.
    const quick = await ci("--prefer-offline");
    const { code, output } = quick.code === 0 ? quick : await ci();
    if (code !== 0) {
      throw new SetupError(
        `npm ci failed\n${output}`,
        "look at the lines above; behind a proxy set npm_config_registry",
      );
    }
    writeFileSync(stampFile, `${JSON.stringify(wanted)}\n`);
    const count = /added (\d+) packages/.exec(output)?.[1];
    return `npm packages${count ? `: ${count}` : ""}`;
  });
  if (!existsSync(join(root, "node_modules", "pkcs11js"))) {
    note("PKCS#11 support was not built (no compiler): keys are kept in software");
  }
}

function lockfileHash() {
  return createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, "utf8"));
  } catch {
    return undefined;
  }
}
