import { existsSync } from "node:fs";
import { join } from "node:path";
import { capture } from "./process.mjs";
import { done, note } from "./step.mjs";
import { canCompile } from "./system-packages.mjs";
import { findNpm, root } from "./toolchain.mjs";

/**
 * Builds our own native addon (TLS with a token key); the builder itself knows when nothing has changed.
 * Never fails: without it keys are kept in software.
 * @param {{ path: string, headers: string | undefined }} node
 */
export async function ensureNativeParts(node) {
  const builder = join(root, "hw", "build-native.mjs");
  if (!existsSync(builder) || !canCompile()) return;
  // The builder takes node-gyp from inside npm.
  const env = { ...process.env };
  const npm = findNpm();
  if (npm) env.npm_execpath = npm;
  if (node.headers) env.npm_config_nodedir = node.headers;
  const { code, output } = await capture(node.path, [builder, "--required"], { cwd: root, env });
  if (code !== 0) note(`keys are kept in software: ${output.trim()}`);
  else if (output !== "") done(output.trim());
}
