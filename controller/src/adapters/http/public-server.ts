import type { AddressInfo } from "node:net";
import { FleetError } from "@fleetcert/shared";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { toProblem } from "../../access/problem.ts";
import { asRequestError } from "./request-error.ts";
import { sendSigned } from "./send-signed.ts";
import { type AnswerOcsp, serveOcsp } from "./serve-ocsp.ts";

/** What anybody may fetch: revocation lists, health, metrics. None of it is secret; all of it is signed or harmless. */
export interface PublicSources {
  /** The CRL in force of one shard; undefined when there is none. */
  crl(issuer: string, shard: number): Promise<ServedCrl | undefined>;
  /** The delta beside that CRL; undefined when none is made. */
  delta?(issuer: string, shard: number): Promise<ServedCrl | undefined>;
  /** The list of a root, by the SHA-256 of its SPKI in hex; undefined when it is none of ours. */
  rootCrl?(root: string): Promise<ServedCrl | undefined>;
  /** DER of the certificate of an issuing CA, as AuthorityInfoAccess names it; undefined when it is none of ours. */
  authority?(id: string): Uint8Array | undefined;
  /** Answers an OCSP request; without it the controller is no responder. */
  ocsp?: AnswerOcsp;
  readiness(): Promise<Readiness>;
  /** Prometheus text exposition. */
  metrics(): Promise<string>;
}

/** A list as it is served, with what caches ask for. */
export interface ServedCrl {
  readonly der: Uint8Array;
  /** SHA-256 of the DER, hex: the entity tag. */
  readonly sha256: string;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
}

/** Whether the controller can do its work, and what stands in the way. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly expiries: readonly { readonly what: string; readonly notAfter: number }[];
}

/** Serves the CRL distribution point, OCSP, `/healthz`, `/readyz` and `/metrics` over plain HTTP. */
export async function openPublicServer(options: {
  readonly host: string;
  readonly port: number;
  readonly sources: PublicSources;
  readonly now: () => number;
  readonly onInternalError: (error: unknown) => void;
}): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = fastify({
    bodyLimit: 1024,
    forceCloseConnections: true,
    connectionTimeout: 10_000,
    requestTimeout: 10_000,
    // An OCSP question of four KiB in base64 may stand in the path.
    routerOptions: { maxParamLength: 6_000 },
    frameworkErrors: (error, _request, reply) => void fail(error, reply),
  });
  const fail = (cause: unknown, reply: FastifyReply): FastifyReply => {
    const error = asRequestError(cause);
    if (!(error instanceof FleetError)) options.onInternalError(error);
    const problem = toProblem(error);
    return reply.code(problem.status).type("application/problem+json").send(JSON.stringify(problem));
  };
  server.setErrorHandler((error, _request, reply) => fail(error, reply));
  server.setNotFoundHandler((_request, reply) => fail(new FleetError("not-found", "there is no such path"), reply));
  serveCrls(server, options.sources, options.now);
  serveAuthorities(server, options.sources);
  if (options.sources.ocsp !== undefined) serveOcsp(server, { ...options, answer: options.sources.ocsp });
  server.get("/healthz", async () => ({ status: "ok" }));
  server.get("/readyz", async (_request, reply) => {
    const { ready, reasons, expiries } = await options.sources.readiness();
    return reply.code(ready ? 200 : 503).send({ ready, reasons, expiries });
  });
  server.get("/metrics", async (_request, reply) => {
    return reply.type("text/plain; version=0.0.4; charset=utf-8").send(await options.sources.metrics());
  });
  await server.listen({ host: options.host, port: options.port });
  return { port: (server.server.address() as AddressInfo).port, close: () => server.close() };
}

/** RFC 5280 §4.2.1.13: the URI in each certificate; the issuing CA's names its root's list. */
function serveCrls(server: FastifyInstance, sources: PublicSources, now: () => number): void {
  const send = (request: FastifyRequest, reply: FastifyReply, crl: ServedCrl | undefined): FastifyReply => {
    if (crl === undefined) throw new FleetError("not-found", "there is no such revocation list");
    const { der: bytes, ...rest } = crl;
    return sendSigned(request, reply, { ...rest, bytes, type: "application/pkix-crl", maxAge: maxCacheSeconds }, now());
  };
  server.get<{ Params: { issuer: string; file: string } }>("/crl/:issuer/:file", async (request, reply) => {
    const [, shard, delta] = /^(0|[1-9]\d{0,4})(-delta)?\.crl$/.exec(request.params.file) ?? [];
    const isKnownForm = /^[0-9a-f]{64}$/.test(request.params.issuer) && shard !== undefined;
    const find = delta === undefined ? sources.crl : sources.delta;
    return send(request, reply, isKnownForm ? await find?.(request.params.issuer, Number(shard)) : undefined);
  });
  server.get<{ Params: { file: string } }>("/crl/:file", async (request, reply) => {
    const root = /^([0-9a-f]{64})\.crl$/.exec(request.params.file)?.[1];
    return send(request, reply, root === undefined ? undefined : await sources.rootCrl?.(root));
  });
}

/** RFC 5280 §4.2.2.1: the issuer's certificate for those who did not get it with the leaf. */
function serveAuthorities(server: FastifyInstance, sources: PublicSources): void {
  server.get<{ Params: { file: string } }>("/ca/:file", async (request, reply) => {
    const id = /^([0-9a-f]{64})\.crt$/.exec(request.params.file)?.[1];
    const der = id === undefined ? undefined : sources.authority?.(id);
    if (der === undefined) throw new FleetError("not-found", "there is no such CA certificate");
    return reply.type("application/pkix-cert").send(Buffer.from(der));
  });
}

// A list is revocation data: a cache may keep it for minutes, not until its nextUpdate.
const maxCacheSeconds = 300;
