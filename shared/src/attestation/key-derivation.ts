import type { CredentialCrypto } from "./credential-crypto.ts";
import { type TpmHash, tpmDigest, tpmHashBytes } from "./tpm-algorithm.ts";
import { tpmJoin, tpmU32 } from "./tpm-writer.ts";

/** What a key is derived for (Part 1 §11.4.10); contexts are nonces, names or nothing. */
export interface DerivationPurpose {
  readonly hash: TpmHash;
  /** Without the zero octet that ends it on the wire. */
  readonly label: string;
  readonly contextU?: Uint8Array;
  readonly contextV?: Uint8Array;
  readonly bits: number;
}

/** KDFa: counter mode of NIST SP 800-108 with HMAC (Part 1 §11.4.10.2). */
export function deriveKey(
  crypto: Pick<CredentialCrypto, "hmac">,
  key: Uint8Array,
  { hash, label, contextU = nothing, contextV = nothing, bits }: DerivationPurpose,
): Uint8Array {
  return stretch({ hash, bits }, (counter) =>
    crypto.hmac(hash, key, tpmJoin(counter, labelOctets(label), contextU, contextV, tpmU32(bits))),
  );
}

/** KDFe: the one-step derivation of NIST SP 800-56A from a shared point (Part 1 §11.4.10.3). */
export function deriveFromSharedX(
  sharedX: Uint8Array,
  { hash, label, contextU = nothing, contextV = nothing, bits }: DerivationPurpose,
): Uint8Array {
  return stretch({ hash, bits }, (counter) =>
    tpmDigest(hash, tpmJoin(counter, sharedX, labelOctets(label), contextU, contextV)),
  );
}

/** A label as derivations and OAEP take it: ended by a zero octet. */
export const labelOctets = (label: string): Uint8Array => new TextEncoder().encode(`${label}\0`);

function stretch(
  { hash, bits }: { readonly hash: TpmHash; readonly bits: number },
  block: (counter: Uint8Array) => Uint8Array,
): Uint8Array {
  const bytes = bits / 8;
  const blocks = Array.from({ length: Math.ceil(bytes / tpmHashBytes[hash]) }, (_, index) => block(tpmU32(index + 1)));
  return tpmJoin(...blocks).slice(0, bytes);
}

const nothing = new Uint8Array(0);
