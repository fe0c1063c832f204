import { existsSync, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { capture } from "./process.mjs";

/**
 * Runs npm quietly, whatever `npm start` or `npx` around us put into the environment.
 * @param {readonly string[]} args
 * @param {{ cwd: string, node?: { path: string, headers?: string | undefined } }} options
 *   `node` is what install scripts find first on their PATH and build against.
 * @returns {Promise<{ code: number, output: string }>}
 */
export function npm(args, { cwd, node }) {
  const env = cleanEnvironment();
  if (node) env.PATH = `${join(node.path, "..")}${delimiter}${env.PATH}`;
  // By environment, so that node-gyp finds it in whatever version of npm; npm warns of it, hence --loglevel=error.
  if (node?.headers) env.npm_config_nodedir = node.headers;
  const [command, ...first] = npmCommand();
  return capture(command, [...first, ...args, "--loglevel=error", "--no-audit", "--no-fund"], { cwd, env });
}

/**
 * npm runs on the Node it was installed with: Debian's npm finds its own modules only with Debian's Node.
 * A version manager's shim is no script and starts by itself.
 */
function npmCommand() {
  const script = process.env.npm_execpath ?? onPath("npm");
  const file = script && existsSync(script) ? realpathSync(script) : undefined;
  return file !== undefined && /npm-cli\.c?js$/.test(file)
    ? [process.env.npm_node_execpath ?? process.execPath, file]
    : ["npm"];
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
