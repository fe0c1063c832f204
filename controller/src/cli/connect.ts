import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "@fleetcert/shared";
import type { Operations } from "../access/operations.ts";
import { openApiClient } from "../adapters/http/api-client.ts";
import type { ConnectOptions } from "./context.ts";
import { readOperatorKey } from "./operator-key-file.ts";

/**
 * Connects to the controller the options name: by URL with an operator certificate or an API key, or by the unix socket of the data
 * directory on this host. Throws `usage`, `data-directory` or `offline`.
 */
export async function connectByOptions(options: ConnectOptions, env: NodeJS.ProcessEnv): Promise<Operations> {
  if (options.url !== undefined) return connectByUrl(options.url, options, env);
  const data = options.data ?? env["FLEETCERT_DATA"];
  if (data === undefined) {
    throw new FleetError("usage", "no controller was named", {
      hint: "give --data DIR (or FLEETCERT_DATA) on its host, or --url with --root and either --cert and --key or --api-key",
    });
  }
  return openApiClient({ type: "socket", path: await adminSocket(data) });
}

/** The unix socket of a running controller, from `run/endpoints.json` in its data directory. */
async function adminSocket(data: string): Promise<string> {
  const file = join(data, "run", "endpoints.json");
  try {
    const { adminSocket: path } = JSON.parse(await readFile(file, "utf8")) as { adminSocket?: unknown };
    if (typeof path === "string") return path;
  } catch (cause) {
    throw new FleetError("offline", `no controller runs on ${data}: ${file} cannot be read`, {
      hint: `start it: fleetcert serve --data ${data}`,
      cause,
    });
  }
  throw new FleetError("data-directory", `${file} names no admin socket`);
}

async function connectByUrl(text: string, options: ConnectOptions, env: NodeJS.ProcessEnv): Promise<Operations> {
  const { cert, key, root } = options;
  const keyPassphrase = options.keyPassphrase ?? env["FLEETCERT_KEY_PASSPHRASE_FILE"];
  const apiKeyFile = options.apiKey ?? env["FLEETCERT_API_KEY_FILE"];
  const hasCertificate = cert !== undefined && key !== undefined;
  if (root === undefined || (!hasCertificate && apiKeyFile === undefined)) {
    throw new FleetError("usage", "--url needs --root, and either --cert and --key or --api-key");
  }
  if (!URL.canParse(text) || new URL(text).protocol !== "https:") {
    throw new FleetError("usage", `--url ${text} is not an https URL`);
  }
  return openApiClient({
    type: "tls",
    url: new URL(text),
    root: await read(root),
    by: hasCertificate
      ? { certificate: await read(cert), key: await readOperatorKey(key, keyPassphrase) }
      : { apiKey: (await read(apiKeyFile ?? "")).trim() },
  });
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new FleetError("usage", `${file} cannot be read`, { cause });
  }
}
