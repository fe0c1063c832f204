import { parseCertificate, pemEncode } from "@fleetcert/shared";
import { authenticateApiKey, authenticateOperator } from "../../access/authenticate-operator.ts";
import type { Operations } from "../../access/operations.ts";
import type { RecordDenied } from "../../access/run-route.ts";
import { type ApiServer, openApiServer } from "../../adapters/http/api-server.ts";
import { systemClock } from "../../adapters/system/system-surroundings.ts";
import { appendAudit } from "../../audit/append-audit.ts";
import type { Store } from "../../store-port.ts";
import type { Issuers } from "../../trust/issuers.ts";
import type { ListenerCredential } from "../../trust/listener-certificates.ts";
import type { ControllerLog } from "./controller-log.ts";

/** Opens the API for people: HTTPS with operator certificates, and the socket of the host's administrator. */
export async function openApi(parts: {
  readonly listen: { readonly host: string; readonly port: number };
  readonly adminSocket: string;
  readonly store: Store;
  readonly issuers: Issuers;
  readonly operations: Operations;
  readonly credential: ListenerCredential;
  readonly log: ControllerLog;
}): Promise<{ readonly https: ApiServer; readonly socket: ApiServer }> {
  const { store, issuers, operations, log } = parts;
  const common = {
    operations,
    recordDenied: recordDenied(store),
    onInternalError: (error: unknown) => log.error({ error: String(error) }, "request failed"),
  };
  const trusted = { store, clock: systemClock };
  const https = await openApiServer({
    ...common,
    listener: {
      type: "tls",
      ...parts.listen,
      certificate: pemCredential(parts.credential),
      // Asked anew at every handshake: CAs change while the controller runs.
      authenticate: (chain) => {
        const certificates = issuers.all().map(({ certificate }) => certificate);
        return authenticateOperator({ ...trusted, roots: issuers.roots(), issuers: certificates }, chain);
      },
      authenticateKey: (text) => authenticateApiKey({ store, clock: systemClock }, text),
    },
  });
  const socket = await openApiServer({
    ...common,
    listener: { type: "socket", path: parts.adminSocket, actor: { name: "local", role: "admin" } },
  }).catch(async (error: unknown) => {
    await https.close();
    throw error;
  });
  return { https, socket };
}

/**
 * A listener's credential as node:tls takes it, roots last: OpenSSL takes the first certificate that fits as the next one, and
 * a client that knows only an older root has to meet the bridge to it before it meets the new root.
 */
export function pemCredential({ chain, tlsKey }: ListenerCredential): { readonly chain: string; readonly key: string } {
  const isRoot = (der: Uint8Array): boolean => {
    const { subject, issuer } = parseCertificate(der);
    return subject.equals(issuer);
  };
  const ordered = [...chain.filter((der) => !isRoot(der)), ...chain.filter(isRoot)];
  return { chain: ordered.map((der) => pemEncode("CERTIFICATE", der)).join(""), key: tlsKey };
}

/** I8: the attempt is audited, nothing else happens. */
function recordDenied(store: Store): RecordDenied {
  return async ({ actor, route, permission }) => {
    await store.transaction((tx) =>
      appendAudit(tx, {
        at: systemClock.now(),
        actor: actor.name,
        action: "access.denied",
        target: route,
        outcome: "failure",
        details: { permission, role: actor.role },
      }),
    );
  };
}
