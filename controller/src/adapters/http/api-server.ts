import { chmod, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { FleetError, presentedChain } from "@fleetcert/shared";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { openApiDocument } from "../../access/openapi.ts";
import type { Actor, Operations } from "../../access/operations.ts";
import { toProblem } from "../../access/problem.ts";
import type { Route } from "../../access/route.ts";
import { routes } from "../../access/routes.ts";
import { type RecordDenied, runRoute } from "../../access/run-route.ts";
import { asRequestError } from "./request-error.ts";

/** Where the API listens: TLS with client certificates, or the host's own unix socket. */
export type ApiListener =
  | {
      readonly type: "tls";
      readonly host: string;
      readonly port: number;
      readonly certificate: { readonly chain: string; readonly key: string };
      /** Says who the peer is from its raw DER chain, at every request. Throws `unauthenticated`. */
      readonly authenticate: (chain: readonly Uint8Array[]) => Promise<Actor>;
      /** Says who a client without a certificate is, from its API key, at every request. Throws `unauthenticated`. */
      readonly authenticateKey: (text: string) => Promise<Actor>;
    }
  | { readonly type: "socket"; readonly path: string; readonly actor: Actor };

/** The API, listening. */
export interface ApiServer {
  /** The port in use; 0 for a unix socket. */
  readonly port: number;
  /** New sessions use the new certificate; live ones stay. */
  replaceCertificate(certificate: { readonly chain: string; readonly key: string }): void;
  close(): Promise<void>;
}

/** Serves `/api/v1` on one listener. */
export async function openApiServer(options: {
  readonly listener: ApiListener;
  readonly operations: Operations;
  readonly recordDenied: RecordDenied;
  /** Told of what the caller is not told: errors that are not ours. */
  readonly onInternalError: (error: unknown) => void;
}): Promise<ApiServer> {
  const { listener, operations, recordDenied } = options;
  const server = createServer(listener);
  const fail = (error: unknown, reply: FastifyReply) => sendProblem(error, reply, options.onInternalError);
  server.setErrorHandler((error, _request, reply) => fail(asRequestError(error), reply));
  server.setNotFoundHandler((_request, reply) => fail(new FleetError("not-found", "there is no such path"), reply));
  server.addHook("onSend", async (_request, reply) => {
    reply.headers(securityHeaders);
  });
  server.get("/api/v1/openapi.json", async () => openApiDocument());
  for (const route of routes) {
    server.route({
      method: route.method,
      url: `/api/v1${route.path}`,
      handler: async (request, reply) => {
        const actor = await actorOf(listener, request);
        const result = await runRoute(route, { operations, actor, recordDenied }, partsOf(route, request));
        return reply.type("application/json").send(JSON.stringify(result ?? {}, octetsAsBase64));
      },
    });
  }
  await listen(server, listener);
  const address = server.server.address();
  return {
    port: typeof address === "object" && address !== null ? (address as AddressInfo).port : 0,
    replaceCertificate({ chain, key }) {
      if ("setSecureContext" in server.server) {
        (server.server as unknown as { setSecureContext(context: object): void }).setSecureContext({
          cert: chain,
          key,
        });
      }
    },
    close: () => server.close(),
  };
}

function createServer(listener: ApiListener): FastifyInstance {
  const common = {
    bodyLimit: maxBodyBytes,
    forceCloseConnections: true,
    connectionTimeout: 30_000,
    requestTimeout: 30_000,
  };
  if (listener.type === "socket") return fastify(common);
  const https = {
    cert: listener.certificate.chain,
    key: listener.certificate.key,
    requestCert: true,
    // Our validator judges the chain at every request; OpenSSL only proves possession.
    rejectUnauthorized: false,
    minVersion: "TLSv1.3" as const,
    // A resumed session would keep an old identity.
    secureOptions: noTickets,
    sessionTimeout: 1,
  };
  return fastify({ ...common, https }) as unknown as FastifyInstance;
}

async function listen(server: FastifyInstance, listener: ApiListener): Promise<void> {
  if (listener.type === "tls") {
    await server.listen({ host: listener.host, port: listener.port });
    return;
  }
  await rm(listener.path, { force: true });
  await server.listen({ path: listener.path });
  await chmod(listener.path, 0o600);
}

async function actorOf(listener: ApiListener, request: FastifyRequest): Promise<Actor> {
  if (listener.type === "socket") return listener.actor;
  const chain = presentedChain((request.raw.socket as TLSSocket).getPeerCertificate(true));
  const { authorization } = request.headers;
  if (chain.length > 0) {
    if (authorization === undefined) return listener.authenticate(chain);
    // Two persons in one request would leave open who acts.
    throw new FleetError("unauthenticated", "the request carries a client certificate and an API key", {
      hint: "use one of them",
    });
  }
  const [, key] = /^Bearer ([\x21-\x7e]{1,256})$/i.exec(authorization ?? "") ?? [];
  if (key !== undefined) return listener.authenticateKey(key);
  throw new FleetError("unauthenticated", "neither a client certificate nor an API key was presented", {
    hint: "use an operator certificate (fleetcert operator create NAME --role ROLE) or an API key (fleetcert operator key create NAME)",
  });
}

function partsOf(route: Route, request: FastifyRequest) {
  return {
    params: request.params as Record<string, string>,
    query: request.query as Record<string, string>,
    ...(route.method !== "GET" && request.body !== undefined && request.body !== null && { body: request.body }),
  };
}

function sendProblem(error: unknown, reply: FastifyReply, onInternalError: (error: unknown) => void): void {
  if (!(error instanceof FleetError) || error.code === "internal") onInternalError(error);
  const problem = toProblem(error);
  reply.code(problem.status).type("application/problem+json").send(JSON.stringify(problem));
}

/** Looks at the raw value: a Buffer would turn itself into an array of numbers first. */
function octetsAsBase64(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const raw = this[key];
  return raw instanceof Uint8Array ? Buffer.from(raw).toString("base64") : value;
}

const maxBodyBytes = 1024 * 1024;
// SSL_OP_NO_TICKET; TLS 1.3 then falls back to stateful tickets, which a server without a session store never resumes.
const noTickets = 0x4000;
const securityHeaders = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
