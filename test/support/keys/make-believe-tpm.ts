import { sign } from "node:crypto";
import type { TpmEvidence } from "@fleetcert/proto";
import {
  DeviceId,
  type KeyEvidence,
  keyQualifyingData,
  type MadeCredential,
  nameOfPublicArea,
  type PcrSelection,
  type QuoteEvidence,
  quoteQualifyingData,
  type Signer,
  spkiOfPublicArea,
  tpmDigest,
  tpmJoin,
} from "@fleetcert/shared";
import { openCredential } from "../agent/open-credential.ts";
import {
  certifyInfo,
  honestSigning,
  qualifiedNameUnderOwner,
  quoteInfo,
  type SoftwareTpmKey,
  signStatement,
  softwareAttestationKey,
  softwareStorageKey,
  softwareTpmKey,
  statementBytes,
} from "./software-tpm.ts";

/** What a certification is for. */
export interface CertifiedRequest {
  readonly device: string;
  readonly slot?: string;
  readonly generation: number;
}

/** A key of a make-believe TPM that signs messages and CSRs. */
export type TpmSigner = Signer & { readonly tpmKey: SoftwareTpmKey };

/** A whole TPM in software, for tests that need to see it lie: everything it does is what an honest one would do. */
export class MakeBelieveTpm {
  readonly endorsementKey: SoftwareTpmKey = softwareStorageKey();
  readonly root: SoftwareTpmKey = softwareStorageKey();
  readonly attestationKey: SoftwareTpmKey;
  /** DER; without one it comes in by an allow-list. */
  certificate: Uint8Array | undefined;

  constructor(attestationKey: SoftwareTpmKey = softwareAttestationKey()) {
    this.attestationKey = attestationKey;
  }

  get identity(): TpmEvidence["tpm"] {
    return {
      endorsementKey: this.endorsementKey.publicArea,
      endorsementCertificate: this.certificate,
      attestationKey: this.attestationKey.publicArea,
    };
  }

  newKey(attributes: number = honestSigning): TpmSigner {
    return signerOf(softwareTpmKey({ attributes }));
  }

  certify({ tpmKey }: TpmSigner, { device, slot = "identity", generation }: CertifiedRequest): KeyEvidence {
    const spki = spkiOfPublicArea(tpmKey.area);
    const attest = statementBytes({
      signer: qualifiedNameUnderOwner(this.attestationKey),
      extraData: keyQualifyingData({ device: DeviceId.parse(device), slot, generation, spki }),
      attested: certifyInfo(nameOfPublicArea(tpmKey.area), qualifiedNameUnderOwner(this.root, tpmKey)),
    });
    const statement = signStatement(attest, this.attestationKey);
    return { ...statement, publicArea: tpmKey.publicArea, parent: this.root.publicArea };
  }

  evidence(key: TpmSigner, request: CertifiedRequest): TpmEvidence {
    return { tpm: this.identity, evidence: this.certify(key, request) };
  }

  activate(credential: MadeCredential): Uint8Array {
    return openCredential(this.endorsementKey, nameOfPublicArea(this.attestationKey.area), credential);
  }

  /** Every PCR reads zero. */
  quote(pcrs: readonly PcrSelection[], { device, nonce }: { device: string; nonce: Uint8Array }): QuoteEvidence {
    const values = pcrs.flatMap(({ indices }) => indices.map(() => new Uint8Array(32)));
    const attest = statementBytes({
      type: 0x8018,
      signer: qualifiedNameUnderOwner(this.attestationKey),
      extraData: quoteQualifyingData({ device: DeviceId.parse(device), nonce }),
      attested: quoteInfo(pcrs, tpmDigest("sha256", tpmJoin(...values))),
    });
    return { ...signStatement(attest, this.attestationKey), values };
  }
}

/** Any software TPM key as a signer of messages. */
export function signerOf(tpmKey: SoftwareTpmKey): TpmSigner {
  return {
    tpmKey,
    algorithm: "P-256",
    spki: spkiOfPublicArea(tpmKey.area),
    sign: async (message) => new Uint8Array(sign("sha256", message, tpmKey.privateKey)),
  };
}
