import { FleetError } from "../errors.ts";

/** Why attestation evidence is refused; on the error as `attestationFailure`. */
export type AttestationFailure =
  | "malformed"
  | "signature"
  | "not-from-tpm"
  | "wrong-kind"
  | "wrong-signer"
  | "nonce"
  | "attestation-key"
  | "endorsement-key"
  | "not-allowed"
  | "activation"
  | "another-key"
  | "key-attributes"
  | "another-parent"
  | "pcr-selection"
  | "pcr-values";

/** An `attestation-invalid` error that carries its reason. */
export type AttestationError = FleetError & { readonly attestationFailure: AttestationFailure };

/** Makes an {@link AttestationError}. */
export function attestationInvalid(
  attestationFailure: AttestationFailure,
  message: string,
  cause?: unknown,
): AttestationError {
  const error = new FleetError("attestation-invalid", message, cause === undefined ? {} : { cause });
  return Object.assign(error, { attestationFailure });
}

/** The reason of an `attestation-invalid` error, undefined for every other value. */
export function attestationFailureOf(error: unknown): AttestationFailure | undefined {
  return isAttestationError(error) ? error.attestationFailure : undefined;
}

/** Whether a value is an {@link AttestationError}. */
export function isAttestationError(error: unknown): error is AttestationError {
  return error instanceof FleetError && error.code === "attestation-invalid" && "attestationFailure" in error;
}
