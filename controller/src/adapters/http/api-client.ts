import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { FleetError } from "@fleetcert/shared";
import type { Actor, Operations } from "../../access/operations.ts";
import { fromProblem } from "../../access/problem.ts";
import type { RequestParts } from "../../access/route.ts";
import { routes } from "../../access/routes.ts";

/** How to reach a controller's API. */
export type ApiTarget =
  | { readonly type: "socket"; readonly path: string }
  | {
      readonly type: "tls";
      readonly url: URL;
      /** PEM of the fleet's root. */
      readonly root: string;
      /** PEM of the operator's certificate chain and key, or the text of an API key. */
      readonly by: { readonly certificate: string; readonly key: string } | { readonly apiKey: string };
    };

/** The operations of a controller that runs elsewhere; the actor given is ignored, the controller knows who calls. */
export function openApiClient(target: ApiTarget, timeoutMs = 60_000): Operations {
  const send = async <T>(name: string, parts: RequestParts = {}): Promise<T> =>
    (await call(target, name, parts, timeoutMs)) as T;
  return {
    claims: {
      create: (_, body) => send("claims.create", { body }),
      list: (_, request) => send("claims.list", { query: text(request) }),
      revoke: (_, id) => send("claims.revoke", { params: { id } }),
    },
    devices: {
      list: (_, request) => send("devices.list", { query: text(request) }),
      show: (_, id) => send("devices.show", { params: { id } }),
      set: (_, id, body) => send("devices.set", { params: { id }, body }),
      suspend: (_, id, reason) => send("devices.suspend", { params: { id }, body: { reason } }),
      reenrol: (_, id, validFor) => send("devices.reenrol", { params: { id }, body: { validFor } }),
      reinstate: (_, id) => send("devices.reinstate", { params: { id } }),
      quote: (_, id, pcrs) => send("devices.quote", { params: { id }, body: { pcrs } }),
      retire: (_, id) => send("devices.retire", { params: { id } }),
    },
    rollover: {
      status: () => send("rollover.status"),
      begin: (_, body) => send("rollover.begin", { body }),
      resume: () => send("rollover.resume"),
      finish: () => send("rollover.finish"),
    },
    rotations: {
      request: (_, body) => send("rotations.request", { body }),
      plan: (_, body) => send("rotations.plan", { body }),
      start: (_, id) => send("rotations.start", { params: { id } }),
      pause: (_, id) => send("rotations.pause", { params: { id } }),
      resume: (_, id) => send("rotations.resume", { params: { id } }),
      abort: (_, id) => send("rotations.abort", { params: { id } }),
      rollback: (_, id) => send("rotations.rollback", { params: { id } }),
      show: (_, id) => send("rotations.show", { params: { id } }),
      list: (_, request) => send("rotations.list", { query: text(request) }),
    },
    certificates: {
      list: (_, request) => send("certificates.list", { query: text(request) }),
      show: (_, id) => send("certificates.show", { params: { id } }),
    },
    fleet: {
      age: (_, request) => send("fleet.age", { query: text(request) }),
      summary: () => send("fleet.summary"),
    },
    revocations: {
      plan: (_, body) => send("revocations.plan", { body }),
      revoke: (_, body) => send("revocations.revoke", { body }),
      undo: (_, body) => send("revocations.undo", { body }),
      status: (_, request) => send("revocations.status", { query: text(request) }),
    },
    plans: {
      list: (_, request) => send("plans.list", { query: text(request) }),
      show: (_, hash) => send("plans.show", { params: { hash } }),
      approve: (_, hash) => send("plans.approve", { params: { hash } }),
      reject: (_, hash, remark) => send("plans.reject", { params: { hash }, body: { remark } }),
      control: (_, hash, wish) => send("plans.control", { params: { hash }, body: { wish } }),
    },
    bounds: {
      show: () => send("bounds.show"),
      set: (_, bound, value) => send("bounds.set", { body: { bound, value } }),
    },
    crls: {
      list: () => send("crls.list"),
      async show(_, issuer, shard) {
        const crl = await send<Awaited<ReturnType<Operations["crls"]["show"]>>>("crls.show", {
          params: { issuer, shard: String(shard) },
        });
        return { ...crl, der: octets(crl.der) };
      },
      diff: (_, from, to) => send("crls.diff", { query: text({ from, to }) }),
    },
    courier: {
      async exchange(_, bundle) {
        const done = await send<Awaited<ReturnType<Operations["courier"]["exchange"]>>>("courier.exchange", {
          body: { bundle: Buffer.from(bundle).toString("base64") },
        });
        return { ...done, reply: octets(done.reply) };
      },
      list: (_, request) => send("courier.list", { query: text(request) }),
    },
    audit: {
      list: (_, request) => send("audit.list", { query: text(request) }),
      verify: () => send("audit.verify"),
    },
    trust: {
      show: () => send("trust.show"),
      intend: (_, intent) => send("trust.intend", { body: intent }),
      publish: (_, bundle) => send("trust.publish", { body: { bundle: Buffer.from(bundle).toString("base64") } }),
    },
    operators: {
      async create(_, { csr, ...rest }) {
        const made = await send<Awaited<ReturnType<Operations["operators"]["create"]>>>("operators.create", {
          body: { ...rest, csr: Buffer.from(csr).toString("base64") },
        });
        return { ...made, certificate: octets(made.certificate), chain: made.chain.map(octets) };
      },
      async renew(_, { name, csr }) {
        const made = await send<Awaited<ReturnType<Operations["operators"]["renew"]>>>("operators.renew", {
          ...{ params: { name }, body: { csr: Buffer.from(csr).toString("base64") } },
        });
        return { ...made, certificate: octets(made.certificate), chain: made.chain.map(octets) };
      },
      list: (_, request) => send("operators.list", { query: text(request) }),
      disable: (_, name) => send("operators.disable", { params: { name } }),
      createKey: (_, { operator: name, validFor }) =>
        send("operators.createKey", { params: { name }, body: { validFor } }),
      listKeys: (_, request) => send("operators.listKeys", { query: text(request) }),
      revokeKey: (_, id) => send("operators.revokeKey", { params: { id } }),
    },
  };
}

/** The actor a client passes; it has no meaning on this side. */
export const remoteActor: Actor = { name: "remote", role: "viewer" };

async function call(target: ApiTarget, name: string, parts: RequestParts, timeoutMs: number): Promise<unknown> {
  const route = routes.find((one) => one.name === name);
  if (route === undefined) throw new FleetError("internal", `there is no route ${name}`);
  const path = route.path.replaceAll(/:([a-z]+)/g, (_, key: string) => encodeURIComponent(parts.params?.[key] ?? ""));
  const query = new URLSearchParams(parts.query).toString();
  const body = parts.body === undefined ? undefined : JSON.stringify(parts.body);
  const options: RequestOptions = {
    method: route.method,
    path: `/api/v1${path}${query === "" ? "" : `?${query}`}`,
    timeout: timeoutMs,
    headers: {
      ...(body !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      ...(target.type === "tls" && "apiKey" in target.by && { authorization: `Bearer ${target.by.apiKey}` }),
    },
  };
  const { status, text: answer } = await exchange(target, options, body);
  const parsed = parseJson(answer);
  if (status >= 400) throw fromProblem(parsed as object);
  return parsed;
}

function exchange(
  target: ApiTarget,
  options: RequestOptions,
  body: string | undefined,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request =
      target.type === "socket"
        ? httpRequest({ ...options, socketPath: target.path })
        : httpsRequest(target.url, {
            ...options,
            ...("apiKey" in target.by ? {} : { cert: target.by.certificate, key: target.by.key }),
            ca: target.root,
            minVersion: "TLSv1.3",
            agent: false,
          });
    request.on("response", (response) => resolve(collect(response)));
    request.on("timeout", () => request.destroy(new FleetError("timeout", "the controller did not answer in time")));
    request.on("error", (cause) => reject(cause instanceof FleetError ? cause : unreachable(target, cause)));
    request.end(body);
  });
}

async function collect(response: IncomingMessage): Promise<{ status: number; text: string }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += (chunk as Buffer).length;
    if (length > maxAnswerBytes) throw new FleetError("message-too-large", "the controller's answer is too large");
    chunks.push(chunk as Buffer);
  }
  return { status: response.statusCode ?? 500, text: Buffer.concat(chunks).toString("utf8") };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FleetError("internal", "the controller's answer is not JSON", { cause });
  }
}

function unreachable(target: ApiTarget, cause: unknown): FleetError {
  const where = target.type === "socket" ? target.path : target.url.host;
  return new FleetError("offline", `the controller cannot be reached at ${where}`, {
    hint:
      target.type === "socket"
        ? "is it running? fleetcert serve --data DIR"
        : "check the address and the certificate files",
    retry: true,
    cause,
  });
}

/** Query strings are text; what is undefined is left out. */
function text(query: object): Record<string, string> {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([key, value]) => [key, String(value)]));
}

function octets(value: unknown): Uint8Array {
  return Uint8Array.from(Buffer.from(String(value), "base64"));
}

const maxAnswerBytes = 64 * 1024 * 1024;
