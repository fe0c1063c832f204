import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { errorCatalogue, FleetError, isFleetError } from "@fleetcert/shared";

/** What the local socket's requests are answered with. */
export type LocalHandler = (method: string, path: string, body: Uint8Array) => Promise<unknown>;

/**
 * Serves requests of this host's people and software on a unix socket, as HTTP with JSON; a leftover of a dead process is replaced.
 * A FleetError becomes its status and `{ code, message, hint }`. Throws `data-directory`.
 */
export async function serveLocalSocket(path: string, handle: LocalHandler): Promise<{ close(): Promise<void> }> {
  const server = createServer({ requestTimeout: 30_000, maxHeaderSize: 8 * 1024 }, (incoming, response) => {
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

/**
 * Asks the agent that runs on a socket; undefined when none does. `patienceMs` is how long it may say nothing. Throws what the agent
 * answered with.
 */
export function askLocalSocket(
  path: string,
  method: string,
  resource: string,
  { body, patienceMs = 10_000 }: { readonly body?: Uint8Array; readonly patienceMs?: number } = {},
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: path, method, path: resource, timeout: patienceMs }, (response) => {
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
          new FleetError("data-directory", `the agent's socket ${path} cannot be used`, {
            cause: error,
            hint: ownerHint,
          }),
        );
    });
    asking.end(body);
  });
}

async function answer(incoming: IncomingMessage, response: ServerResponse, handle: LocalHandler): Promise<void> {
  const { method = "", url = "" } = incoming;
  const { status, body } = await outcomeOf(takeBody(incoming).then((octets) => handle(method, url, octets)));
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

/** What came with a request. One that is too large is not read to its end. Throws `message-too-large`. */
async function takeBody(incoming: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyLength)
      throw new FleetError("message-too-large", `a request has more than ${maxBodyLength} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
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

/** A reply that a courier brought, and a little more. */
const maxBodyLength = 17 * 1024 * 1024;
const maxAnswerLength = 4 * 1024 * 1024;
const ownerHint = "run it as the user the agent runs as, or name another directory with --data";
