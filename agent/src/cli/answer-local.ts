import { FleetError, isFleetError, Serial } from "@fleetcert/shared";
import type { RunningAgent } from "./assemble-agent.ts";

/**
 * Answers a request of this host's people or software.
 *
 * - `GET /v1/status`
 * - `POST /v1/renew`, `…?slot={name}`, `…?slot={name}&dry-run=true`: `{ accepted, slot, generation }`
 * - `POST /v1/bundle/export`, `…/export?renew=true`: a bundle for a courier; `POST /v1/bundle/import` with the reply as body
 * - `GET /v1/revocation`: what is held, issuer by issuer; `…/{serial}`: what every issuer says of a serial
 * - `GET /v1/revocation/{issuer}/{serial}`, `…?slot={name}` for a peer of that slot: `{ status, reason?, at?, why?, issuer, epoch: { era, epoch, thisUpdate, nextUpdate, age, isStale } }`
 *
 * Throws `request-invalid` for what is no issuer, serial or slot, `not-found` for other paths, and what {@link RunningAgent.renew}
 * and the courier's duty throw.
 */
export async function answerLocal(
  agent: Pick<RunningAgent, "status" | "renew" | "revocation" | "courier">,
  { method, path, body, signal }: LocalRequest,
): Promise<unknown> {
  if (method === "GET" && path === "/v1/status") return agent.status();
  if (method === "POST" && (path === "/v1/renew" || path.startsWith("/v1/renew?"))) {
    const wanted = renewalIn(path.slice("/v1/renew?".length));
    return { accepted: !wanted.isDryRun, ...agent.renew(wanted) };
  }
  if (method === "POST" && (path === "/v1/bundle/export" || path === "/v1/bundle/export?renew=true")) {
    const { bundle, ...exported } = await agent.courier.pack({ renew: path.endsWith("=true") });
    return { ...exported, bundle: Buffer.from(bundle).toString("base64") };
  }
  if (method === "POST" && path === "/v1/bundle/import") return await agent.courier.apply(body, signal);
  const [place = "", query, ...queries] = path.split("?");
  const [, version, resource, first, second, ...more] = place.split("/");
  const slot = slotIn(query);
  if (queries.length > 0 || method !== "GET" || version !== "v1" || resource !== "revocation" || more.length > 0) {
    throw new FleetError("not-found", `there is no ${shown(method)} ${shown(path)} here`);
  }
  if (first === undefined) return agent.revocation.show();
  if (second === undefined) return agent.revocation.check(serialOf(first), slot);
  if (!issuerPattern.test(first)) {
    throw new FleetError("request-invalid", `"${shown(first)}" is no issuer`, {
      hint: "an issuer is the SHA-256 of its public key info, 64 lower-case hex digits; see GET /v1/revocation",
    });
  }
  return agent.revocation.isRevoked(first, serialOf(second), slot);
}

/** `slot` and `dry-run=true`, each at most once. */
function renewalIn(query: string): { readonly slot?: string; readonly isDryRun: boolean } {
  const asked = new URLSearchParams(query);
  const isDryRun = asked.get("dry-run") === "true";
  const slot = asked.get("slot");
  const known = (isDryRun ? 1 : 0) + (slot === null ? 0 : 1);
  if (asked.size !== known) throw new FleetError("request-invalid", `"${shown(query)}" asks for no renewal`);
  return { ...(slot !== null && { slot }), isDryRun };
}

function slotIn(query: string | undefined): string | undefined {
  if (query === undefined) return undefined;
  const [, slot] = /^slot=([A-Za-z0-9._-]{1,64})$/.exec(query) ?? [];
  if (slot === undefined) throw new FleetError("request-invalid", `"${shown(query)}" names no slot`);
  return slot;
}

function serialOf(text: string): Serial {
  try {
    return Serial.parse(text);
  } catch (cause) {
    if (!isFleetError(cause)) throw cause;
    throw new FleetError("request-invalid", `"${shown(text)}" is no serial number`, {
      cause,
      hint: "a serial number is hex, at most 20 octets, as openssl x509 -serial prints it",
    });
  }
}

/** One request as it came. */
export interface LocalRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
  /** Aborts when the agent is asked to end. */
  readonly signal: AbortSignal;
}

/** What came, fit for a message: short and printable. */
const shown = (text: string): string => text.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, "?");

const issuerPattern = /^[0-9a-f]{64}$/;
