import { type AttestationFailure, attestationInvalid } from "./attestation-failure.ts";
import { objectAttributes, type TpmPublicArea } from "./public-area.ts";

/** Names of TPMA_OBJECT bits. */
export type ObjectAttribute = keyof typeof objectAttributes;

/** Throws `attestation-invalid` unless every attribute of `set` is set and every one of `clear` is clear. */
export function requireAttributes(
  { attributes }: TpmPublicArea,
  {
    set,
    clear,
    failure,
    what,
  }: {
    readonly set: readonly ObjectAttribute[];
    readonly clear: readonly ObjectAttribute[];
    readonly failure: AttestationFailure;
    /** How messages call the key. */
    readonly what: string;
  },
): void {
  const isSet = (name: ObjectAttribute): boolean => (attributes & objectAttributes[name]) !== 0;
  const lacking = set.filter((name) => !isSet(name));
  const excess = clear.filter(isSet);
  if (lacking.length + excess.length === 0) return;
  const parts = [
    ...(lacking.length > 0 ? [`lacks ${lacking.join(", ")}`] : []),
    ...(excess.length > 0 ? [`has ${excess.join(", ")}`] : []),
  ];
  throw attestationInvalid(failure, `${what} ${parts.join(" and ")}`);
}
