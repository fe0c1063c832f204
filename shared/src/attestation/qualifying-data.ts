import type { DeviceId } from "../device-id.ts";
import { sha256 } from "../key/digest.ts";
import { tpmJoin, tpmU32 } from "./tpm-writer.ts";

/**
 * What the certification of a device key is bound to: SHA-256 over a fixed label, device, slot, generation and SPKI, each
 * behind its length as UINT32, so that no two sets of facts read the same.
 */
export function keyQualifyingData(facts: {
  readonly device: DeviceId;
  readonly slot: string;
  readonly generation: number;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
}): Uint8Array {
  const { device, slot, generation, spki } = facts;
  return digestOf("fleetcert/1/attested-key", [text(device), text(slot), text(String(generation)), spki]);
}

/** What a quote is bound to: SHA-256 over a fixed label, the device and the controller's nonce, encoded as above. */
export function quoteQualifyingData(facts: { readonly device: DeviceId; readonly nonce: Uint8Array }): Uint8Array {
  return digestOf("fleetcert/1/quote", [text(facts.device), facts.nonce]);
}

function digestOf(label: string, fields: readonly Uint8Array[]): Uint8Array {
  const framed = [text(label), ...fields].map((field) => tpmJoin(tpmU32(field.length), field));
  return sha256(tpmJoin(...framed));
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
