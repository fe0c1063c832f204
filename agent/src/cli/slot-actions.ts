import type { BodyOf } from "@fleetcert/proto";
import { FleetError, sha256 } from "@fleetcert/shared";
import { vouchForKey } from "../attestation/vouch-for-key.ts";
import type { Connection } from "../connection/connection.ts";
import { type RequestAnswer, verifyIssued } from "../credential/verify-issued.ts";
import type { Deployment } from "../deployment/service-actions.ts";
import type { Credential, KeyAttestor, TimeKeeper, TrustKeeper } from "../ports.ts";
import type { CertificateRequest, RenewalActions } from "../renewal/perform-effect.ts";
import type { CredentialRecord } from "../renewal/slot-state.ts";
import type { AgentIdentity } from "./agent-parts.ts";
import type { KeyStores } from "./key-stores.ts";

/** What the rotation of a service's slot is wired to. */
export interface SlotActionParts {
  readonly slot: string;
  /** Profile the configuration expects; empty takes whatever the controller assigns. */
  readonly profile: string;
  /** Profile the controller assigned; undefined when it knows no such slot of this device. */
  readonly assignedProfile: () => string | undefined;
  readonly identity: AgentIdentity;
  readonly keys: KeyStores;
  readonly attestor?: KeyAttestor;
  readonly trust: Pick<TrustKeeper, "current">;
  readonly time: TimeKeeper;
  readonly connection: Connection;
  /** The identity credential of the live session; it signs for every slot. */
  readonly signer: () => Credential | undefined;
  readonly deployment: Deployment;
  readonly report: () => void;
}

/** A service slot's way of asking for, installing, proving and showing a credential; the identity signs for it. */
export function slotActions(parts: SlotActionParts): RenewalActions {
  const { deployment, connection, slot } = parts;
  return {
    request: (request, signal) => requestForSlot(request, parts, signal),
    install: (next) => deployment.install(next),
    async prove({ generation, certificate }, signal) {
      const { key } = requireSigner(parts);
      const activated = { type: "activated", slot, generation, certificateSha256: sha256(certificate) } as const;
      return await connection.confirm(activated, { signer: key, signal });
    },
    expose: (credential) => deployment.expose(credential, AbortSignal.timeout(exposePatience)),
    report: parts.report,
  };
}

async function requestForSlot(
  { generation, key, csr, asker }: CertificateRequest,
  parts: SlotActionParts,
  signal: AbortSignal,
): Promise<RequestAnswer> {
  const { slot, keys, connection, trust, time, identity, attestor } = parts;
  requireAssigned(parts);
  const signer = requireSigner(parts);
  const { spki, protection } = await keys.open(key.ref);
  const isInTpm = attestor !== undefined && key.ref.startsWith("tpm2:");
  const requested = { device: identity.device, slot, generation, ref: key.ref, spki };
  const body: BodyOf<"renew"> = {
    ...{ type: "renew", slot, generation, csr, protection },
    tokenSerial: keys.infoOf(key.ref).serial ?? "",
    previousCertificateSha256: sha256(previousOf(asker, signer)),
    ...(isInTpm && { evidence: await vouchForKey(attestor, requested) }),
  };
  const answer = await connection.ask(body, { signer: signer.key, patience: answerPatience, signal });
  if (answer.body.type === "refused") return answer.body;
  const bundle = trust.current();
  if (answer.body.type !== "issued" || bundle === undefined) {
    throw new FleetError("message-invalid", `the controller answered the request with ${answer.body.type}`);
  }
  const record = verifyIssued(answer.body, { ...identity, slot, generation, spki, bundle, at: answer.sentAt });
  await time.accept(answer.sentAt, "issuance");
  return { type: "issued", ...record };
}

/** The certificate before; for the first of a slot, the identity's, which asks for it. */
function previousOf(asker: CredentialRecord | undefined, signer: Credential): Uint8Array {
  return asker === undefined ? signer.certificate : asker.certificate;
}

function requireSigner({ signer, connection }: SlotActionParts): Credential {
  const live = signer();
  if (live !== undefined && connection.isLive) return live;
  throw new FleetError("offline", "there is no session with the controller", { retry: true });
}

function requireAssigned({ slot, profile, assignedProfile }: SlotActionParts): void {
  const assigned = assignedProfile();
  if (profile === "" || assigned === undefined || assigned === profile) return;
  throw new FleetError(
    "policy-violation",
    `slot ${slot} has profile ${assigned}, the configuration expects ${profile}`,
    {
      hint: "correct the slot's profile here, or under slots in the controller's profiles.yaml",
    },
  );
}

const answerPatience = 60_000;
const exposePatience = 60_000;
