import { FleetError } from "../errors.ts";

/** Why a certificate path does not validate; on the error as `pathFailure`. */
export type PathFailure =
  | "malformed"
  | "untrusted"
  | "signature"
  | "expired"
  | "not-yet-valid"
  | "key-weak"
  | "not-a-ca"
  | "path-length"
  | "key-usage"
  | "extended-key-usage"
  | "critical-extension"
  | "certificate-profile"
  | "policy"
  | "name-constraints"
  | "name-mismatch"
  | "revoked"
  | "revocation-unknown"
  | "too-complex";

/** A `path-invalid` error that carries its reason. */
export type PathError = FleetError & { readonly pathFailure: PathFailure };

/** Makes a {@link PathError}. */
export function pathInvalid(pathFailure: PathFailure, message: string, cause?: unknown): PathError {
  return Object.assign(new FleetError("path-invalid", message, cause === undefined ? {} : { cause }), { pathFailure });
}

/** The reason of a `path-invalid` error, undefined for every other value. */
export function pathFailureOf(error: unknown): PathFailure | undefined {
  return isPathError(error) ? error.pathFailure : undefined;
}

/** Whether a value is a {@link PathError}. */
export function isPathError(error: unknown): error is PathError {
  return error instanceof FleetError && error.code === "path-invalid" && "pathFailure" in error;
}
