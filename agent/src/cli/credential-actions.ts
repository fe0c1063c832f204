import type { Body, BodyOf, Message } from "@fleetcert/proto";
import { FleetError, isFleetError, pemEncode, sha256 } from "@fleetcert/shared";
import type { ProvenTpm } from "../attestation/proven-tpm.ts";
import { introduceTpm, type RequestedKey, vouchForRenewal } from "../attestation/vouch-for-key.ts";
import type { AskWhy, Connection } from "../connection/connection.ts";
import { type RequestAnswer, verifyIssued } from "../credential/verify-issued.ts";
import { requestOverBootstrap } from "../enrolment/bootstrap-request.ts";
import type { AgentKeys, Credential, Link, Log, OutputFiles, Surroundings, TimeKeeper, TrustKeeper } from "../ports.ts";
import type { CertificateRequest, RenewalActions } from "../renewal/perform-effect.ts";
import type { CredentialRecord } from "../renewal/slot-state.ts";
import type { KnowsRevoked } from "../server/verify-server.ts";
import type { StandingKeeper } from "../standing/standing-keeper.ts";
import type { AgentIdentity, ClaimSource, ControllerAddress } from "./agent-parts.ts";
import type { KeyStores } from "./key-stores.ts";

/** What the identity slot's rotation is wired to. */
export interface CredentialActionParts {
  readonly identity: AgentIdentity;
  readonly controller: ControllerAddress;
  readonly claim: ClaimSource;
  readonly keys: KeyStores;
  readonly attestor?: ProvenTpm;
  readonly link: Link;
  readonly trust: TrustKeeper;
  readonly time: TimeKeeper;
  readonly connection: Connection;
  readonly isRevoked: KnowsRevoked;
  readonly standing: StandingKeeper;
  readonly askWhy: AskWhy;
  /** One bootstrap session at a time. */
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>;
  readonly files: OutputFiles;
  readonly surroundings: Surroundings;
  readonly agentVersion: string;
  readonly report: () => void;
}

/** The identity slot's way of asking for, installing, proving and showing a credential. */
export function identityActions(parts: CredentialActionParts): RenewalActions {
  return {
    async request(request, signal) {
      const answer = await requestCertificate(request, parts, signal);
      if (answer.type === "issued") await parts.attestor?.certified();
      // Other refusals may be about the asker alone; what is about the device was verified, since who asks has a trust bundle.
      if (answer.type === "refused" && request.asker !== undefined && deviceVerdicts.has(answer.code)) {
        await parts.standing.heard({ ...answer, type: "against" });
      }
      return answer;
    },
    install: async (next) => {
      const { key, certificate } = await openCredential(next, parts.keys);
      parts.surroundings.log.info(
        { generation: next.generation, key: key.id, bytes: certificate.length },
        "credential installed",
      );
    },
    prove: async (next, signal) => {
      const credential = await openCredential(next, parts.keys);
      try {
        const { grace } = await parts.connection.prove(credential, activatedOf(next), signal);
        return { grace };
      } catch (error) {
        if (isFleetError(error, "denied")) await parts.askWhy(credential, signal);
        throw error;
      }
    },
    expose: async ({ certificate, chain }) => {
      const pems = [certificate, ...chain].map((der) => pemEncode("CERTIFICATE", der));
      await parts.files.write(`${identitySlot}.pem`, pems.join(""));
    },
    report: parts.report,
  };
}

/** The credential of a record, with its key opened. Rejects as the provider's `open` does. */
export async function openCredential(record: CredentialRecord, keys: Pick<AgentKeys, "open">): Promise<Credential> {
  const { certificate, chain, generation } = record;
  return { key: await keys.open(record.key.ref), certificate, chain, generation };
}

async function requestCertificate(
  { generation, key, csr, asker }: CertificateRequest,
  parts: CredentialActionParts,
  signal: AbortSignal,
): Promise<RequestAnswer> {
  const { keys, connection, time } = parts;
  const { spki, protection } = await keys.open(key.ref);
  const attestor = key.ref.startsWith("tpm2:") ? parts.attestor : undefined;
  const common = {
    slot: identitySlot,
    generation,
    csr,
    protection,
    tokenSerial: keys.infoOf(key.ref).serial ?? "",
  };
  const requested: RequestedKey = { device: parts.identity.device, slot: identitySlot, generation, ref: key.ref, spki };
  if (asker === undefined) {
    const claim = await parts.claim();
    const attested = attestor && { attested: await introduceTpm(attestor, requested) };
    const body: BodyOf<"enrol"> = { type: "enrol", ...common, agentVersion: parts.agentVersion, ...attested };
    return overBootstrap({ body, right: claim, signer: await keys.open(key.ref), spki }, parts, signal);
  }
  const previous = await openAsker(asker, keys);
  const previousCertificateSha256 = sha256(asker.certificate);
  const evidence = attestor && (await vouchForRenewal(attestor, requested, parts.surroundings.log));
  const body: BodyOf<"renew"> = { type: "renew", ...common, previousCertificateSha256, ...evidence };
  const isExpired = time.estimate().at > asker.notAfter;
  if (!isExpired && !connection.isLive) {
    throw new FleetError("offline", "there is no session to renew over", { retry: true });
  }
  if (!isExpired) return overSession({ body, signer: previous, spki }, parts, signal);
  return overBootstrap({ body, right: { credential: previous }, signer: previous.key, spki }, parts, signal);
}

async function overSession(
  { body, signer, spki }: { readonly body: BodyOf<"renew">; readonly signer: Credential; readonly spki: Uint8Array },
  { connection, trust, time, identity, attestor, surroundings }: CredentialActionParts,
  signal: AbortSignal,
): Promise<RequestAnswer> {
  const ask = (asked: Body) => connection.ask(asked, { signer: signer.key, patience: answerPatience, signal });
  const answer = await answerIntroduction(await ask(body), { body, ask, attestor, log: surroundings.log });
  if (answer.body.type === "refused") return answer.body;
  const bundle = trust.current();
  if (answer.body.type !== "issued" || bundle === undefined) {
    throw new FleetError("message-invalid", `the controller answered the request with ${answer.body.type}`);
  }
  const { slot, generation } = body;
  const record = verifyIssued(answer.body, { ...identity, slot, generation, spki, bundle, at: answer.sentAt });
  await time.accept(answer.sentAt, "issuance");
  return { type: "issued", ...record };
}

/**
 * A credential is answered with what it holds. A TPM that cannot read it is introduced another time: the renewal goes on
 * without, as the device would have renewed before.
 */
async function answerIntroduction(
  answer: Message,
  {
    body,
    ask,
    attestor,
    log,
  }: {
    readonly body: BodyOf<"renew">;
    readonly ask: (asked: Body) => Promise<Message>;
    readonly attestor: ProvenTpm | undefined;
    readonly log: Log;
  },
): Promise<Message> {
  if (answer.body.type !== "credential" || attestor === undefined) return answer;
  const { tpm: _, ...plain } = body;
  const activated = await attestor.activate(answer.body).catch((error: unknown) => {
    log.warn({ error }, "TPM not introduced");
    return undefined;
  });
  return await ask(activated === undefined ? plain : { type: "attestation", request: body, activated });
}

function overBootstrap(
  request: Pick<Parameters<typeof requestOverBootstrap>[0], "body" | "right" | "signer" | "spki">,
  parts: CredentialActionParts,
  signal: AbortSignal,
): Promise<RequestAnswer> {
  const { identity, controller } = parts;
  const address = { host: controller.host, port: controller.bootstrapPort };
  const asked = { ...identity, ...request, controller: address };
  return parts.inTurn(() => requestOverBootstrap(asked, parts, signal));
}

/** A missing current key is a fault of the key store, never a reason to give up the new key. */
async function openAsker(asker: CredentialRecord, keys: Pick<AgentKeys, "open">): Promise<Credential> {
  try {
    return await openCredential(asker, keys);
  } catch (cause) {
    throw new FleetError("key-store-unavailable", `the key of generation ${asker.generation} cannot be opened`, {
      cause,
      hint: "check that the right token is present",
      retry: true,
    });
  }
}

function activatedOf({ generation, certificate }: CredentialRecord): BodyOf<"activated"> {
  return { type: "activated", slot: identitySlot, generation, certificateSha256: sha256(certificate) };
}

/** The slot a device talks to the controller with. */
export const identitySlot = "identity";
const answerPatience = 60_000;
const deviceVerdicts: ReadonlySet<string> = new Set(["device-suspended", "device-retired"]);
