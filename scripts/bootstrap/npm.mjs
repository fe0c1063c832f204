import { existsSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { capture } from "./process.mjs";

/**
 * Runs npm quietly, whatever `npm start` or `npx` around us put into the environment.
 * @param {readonly string[]} args
 * @param {{ cwd: string, script: string | undefined, node?: { path: string, headers?: string | undefined } }} options
 *   `script` is npm's own file, undefined for whatever `npm` is on the PATH; `node` is what npm and install scripts run
 *   on and build against, this process's own when left out.
 * @returns {Promise<{ code: number, output: string }>}
 */
export function npm(args, { cwd, script, node = { path: process.execPath } }) {
  const env = cleanEnvironment();
  env.PATH = `${dirname(node.path)}${delimiter}${env.PATH}`;
  // By environment, so that node-gyp finds it in whatever version of npm; npm warns of it, hence --loglevel=error.
  if (node.headers) env.npm_config_nodedir = node.headers;
  const [command, ...first] = script ? [node.path, script] : ["npm"];
  return capture(command, [...first, ...args, "--loglevel=error", "--no-audit", "--no-fund"], { cwd, env });
}

/** The script of the npm around us or on the PATH; undefined when it is something else, as a version manager's shim. */
export function findNpmScript() {
  const found = process.env.npm_execpath ?? onPath("npm");
  const script = found && existsSync(found) ? realpathSync(found) : undefined;
  return script !== undefined && /npm-cli\.c?js$/.test(script) ? script : undefined;
}

function onPath(command) {
  const found = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, command));
  return found.find((file) => existsSync(file));
}

/**
 * What npm tells its scripts about the outer command must not steer the inner one (prefix, workspace, omitted kinds,
 * flags somebody forgot the `--` for); where the registry is, and how to reach it, must.
 */
function cleanEnvironment() {
  const env = {};
  for (const [name, value] of Object.entries(process.env)) {
    const isNpm = /^npm_/i.test(name) && !keptSettings.test(name);
    if (!isNpm && name !== "NODE_ENV") env[name] = value;
  }
  return env;
}

const keptSettings =
  /^npm_config_(.*registry|.*:_auth.*|.*token|userconfig|globalconfig|cache|.*proxy|ca|cafile|cert|key|strict[-_]ssl|fetch.*|maxsockets|offline|prefer.*line)$/i;
