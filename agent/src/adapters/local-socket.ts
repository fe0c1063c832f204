import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { errorCatalogue, FleetError, isFleetError } from "@fleetcert/shared";

/** What the local socket's requests are answered with. */
export type LocalHandler = (method: string, path: string) => Promise<unknown>;

/**
 * Serves requests of this host's people and software on a unix socket, as HTTP with JSON; a leftover of a dead process is replaced.
 * A FleetError becomes its status and `{ code, message, hint }`. Throws `data-directory`.
 */
export async function serveLocalSocket(path: string, handle: LocalHandler): Promise<{ close(): Promise<void> }> {
  const server = createServer({ requestTimeout: 10_000, maxHeaderSize: 8 * 1024 }, (incoming, response) => {
    incoming.resume();
    answer(incoming, response, handle).catch(() => response.destroy());
  });
  server.maxConnections = 64;
  await rm(path, { force: true });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    await chmod(path, 0o660);
  } catch (cause) {
    throw new FleetError("data-directory", `the local socket ${path} cannot be opened`, {
      cause,
      hint: "its whole path may have at most 107 characters",
    });
  }
  return {
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Asks the agent that runs on a socket; undefined when none does. Throws what the agent answered with. */
export function askLocalSocket(path: string, method: string, resource: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: path, method, path: resource, timeout: 10_000 }, (response) => {
      readBody(response).then((text) => {
        const body: unknown = text === "" ? {} : JSON.parse(text);
        if ((response.statusCode ?? 500) < 400) resolve(body);
        else reject(errorOf(body));
      }, reject);
    });
    asking.on("timeout", () => asking.destroy(new FleetError("timeout", `the agent on ${path} does not answer`)));
    asking.on("error", (error) => {
      if (isFleetError(error)) reject(error);
      else if ("code" in error && (error.code === "ENOENT" || error.code === "ECONNREFUSED")) resolve(undefined);
      else
        reject(
          new FleetError("denied", `the agent's socket ${path} cannot be used`, { cause: error, hint: ownerHint }),
        );
    });
    asking.end();
  });
}

async function answer(incoming: IncomingMessage, response: ServerResponse, handle: LocalHandler): Promise<void> {
  const { status, body } = await outcomeOf(handle(incoming.method ?? "", incoming.url ?? ""));
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}

async function outcomeOf(handled: Promise<unknown>): Promise<{ readonly status: number; readonly body: unknown }> {
  try {
    return { status: 200, body: await handled };
  } catch (error) {
    const { code, message, hint } = isFleetError(error)
      ? error
      : new FleetError("internal", "the agent failed to answer");
    return { status: errorCatalogue[code].http, body: { code, message, ...(hint !== undefined && { hint }) } };
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    text += chunk;
    if (text.length > maxAnswerLength) throw new FleetError("message-too-large", "the agent's answer has no end");
  }
  return text;
}

function errorOf(body: unknown): FleetError {
  const { code, message, hint } = body as { code?: string; message?: string; hint?: string };
  const known = code !== undefined && code in errorCatalogue ? (code as keyof typeof errorCatalogue) : "internal";
  return new FleetError(known, message ?? "the agent failed to answer", hint === undefined ? {} : { hint });
}

const maxAnswerLength = 4 * 1024 * 1024;
const ownerHint = "run it as the user the agent runs as, or name another directory with --data";
