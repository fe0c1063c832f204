/**
 * The one catalogue of errors. CLI texts, exit codes, HTTP problem documents and the reference page come from it.
 * A code exists only if somebody decides by it; the message says what happened to which thing, the hint what to do now.
 */

/** Process exit codes of both programs. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  config: 3,
  denied: 4,
  notFound: 5,
  conflict: 6,
  partial: 7,
  offline: 8,
  policy: 9,
  hardware: 10,
  verification: 11,
  temporary: 75,
  interrupted: 130,
} as const;

interface CatalogueEntry {
  /** One line that stands alone as the title of a problem document. */
  readonly title: string;
  readonly exit: (typeof exitCodes)[keyof typeof exitCodes];
  readonly http: number;
}

const entry = (title: string, exit: keyof typeof exitCodes, http: number): CatalogueEntry => ({
  title,
  exit: exitCodes[exit],
  http,
});

/** Every error code, with its title, exit code and HTTP status. */
export const errorCatalogue = {
  // input
  usage: entry("The command line is wrong", "usage", 400),
  "config-invalid": entry("The configuration is wrong", "config", 400),
  "der-invalid": entry("The bytes are not valid DER", "verification", 400),
  "certificate-invalid": entry("The certificate is malformed", "verification", 400),
  "csr-invalid": entry("The certificate request is malformed", "verification", 400),
  "csr-proof-invalid": entry("The certificate request does not prove possession of its key", "verification", 400),
  "key-weak": entry("The key is too weak or of a kind that is not accepted", "policy", 400),
  "crl-invalid": entry("The revocation list is malformed", "verification", 400),
  "filter-invalid": entry("The filter expression is wrong", "usage", 400),
  "message-invalid": entry("The message is malformed", "verification", 400),
  "message-too-large": entry("The message is larger than its kind may be", "verification", 413),
  "version-unsupported": entry("The message has a version this side does not speak", "verification", 400),
  "request-invalid": entry("The request is malformed", "usage", 400),
  // verification
  "signature-invalid": entry("A signature does not verify", "verification", 400),
  "signer-not-allowed": entry("The key may not sign this kind of message", "denied", 403),
  "path-invalid": entry("The certificate path does not validate", "verification", 400),
  "trust-invalid": entry("The trust bundle cannot be accepted", "verification", 400),
  "message-expired": entry("The message is past its expiry", "verification", 400),
  "message-replayed": entry("The message is a replay or does not answer anything asked", "verification", 409),
  "bundle-damaged": entry("The courier bundle is damaged or incomplete; copy it again", "verification", 400),
  "bundle-foreign": entry("The courier bundle is of another device or fleet", "verification", 409),
  "partly-done": entry("Some of what was asked was done, some was not", "partial", 409),
  "bundle-stale": entry("The courier bundle is too old or overtaken by a newer one; export again", "verification", 409),
  "revocation-invalid": entry("The revocation state cannot be accepted", "verification", 400),
  "attestation-invalid": entry("The TPM's evidence cannot be accepted", "verification", 400),
  "issued-mismatch": entry("The issued certificate is not what was asked for", "verification", 500),
  // rights and state
  denied: entry("The right for this is missing", "denied", 403),
  unauthenticated: entry("The caller did not prove who it is", "denied", 401),
  "not-found": entry("There is no such thing", "notFound", 404),
  conflict: entry("The state does not allow this", "conflict", 409),
  "already-exists": entry("It exists already", "conflict", 409),
  "device-exists": entry("The device has or had a credential; re-enrolment is a person's act", "conflict", 409),
  "device-suspended": entry("The device is suspended until a person re-approves it", "denied", 403),
  "device-retired": entry("The device is retired", "denied", 403),
  "credential-revoked": entry("The credential is revoked; re-enrolment is a person's act", "denied", 403),
  "credential-expired": entry("The credential expired too long ago to be renewed by its key", "denied", 403),
  "claim-invalid": entry("The claim is unknown, spent, expired, revoked or does not cover this device", "denied", 403),
  "claim-malformed": entry("The claim string is malformed", "usage", 400),
  "key-spent": entry("The key had a certificate that has ended; the next request takes a new key", "conflict", 409),
  "generation-conflict": entry("Another key is already known for this generation of the slot", "conflict", 409),
  "policy-violation": entry("Policy does not allow this", "policy", 422),
  "attestation-required": entry("The key must be proven to be in the TPM the device enrolled with", "policy", 422),
  "second-person-required": entry("This is above the bound one person may do alone", "policy", 422),
  "plan-stale": entry("The world has changed since the plan was made", "conflict", 409),
  "rate-limited": entry("Too many requests; try again later", "temporary", 429),
  // parts that fail
  offline: entry("The other side cannot be reached", "offline", 503),
  timeout: entry("The other side did not answer in time", "offline", 504),
  "store-failed": entry("The store failed", "failed", 500),
  "store-corrupt": entry("The store is damaged", "failed", 500),
  "data-directory": entry("The data directory cannot be used", "config", 500),
  "time-unknown": entry("The time is not known yet", "temporary", 503),
  "clock-leapt": entry("The controller's clock leapt; it refuses to sign", "temporary", 503),
  "key-not-found": entry("The key is not in its store", "hardware", 404),
  "key-store-unavailable": entry("The key store cannot be used", "hardware", 503),
  "key-store-missing": entry("The software this key store needs is not installed", "hardware", 501),
  "pin-refused": entry("The token refused the PIN; it is not tried again", "hardware", 403),
  "token-error": entry("The token reported an error", "hardware", 502),
  "key-attributes-wrong": entry("The key was not created with the attributes asked for", "hardware", 502),
  "hook-failed": entry("A command of the configuration failed", "failed", 500),
  "audit-broken": entry("The audit chain does not verify", "verification", 500),
  internal: entry("Fleetcert did something it should not", "failed", 500),
} as const satisfies Record<string, CatalogueEntry>;

/** One of the codes of {@link errorCatalogue}. */
export type ErrorCode = keyof typeof errorCatalogue;

/** What may accompany an error: what the person can do now, when to try again, what caused it. */
export interface ErrorDetails {
  readonly hint?: string;
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retry?: boolean;
  readonly cause?: unknown;
}

/** The only error type that crosses a module boundary. Branch on {@link FleetError.code}, never on text. */
export class FleetError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retry: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "FleetError";
    this.code = code;
    this.hint = details.hint;
    this.retry = details.retry ?? false;
  }
}

/** Whether a value is a {@link FleetError}, of one of the given codes when any is given. */
export function isFleetError(error: unknown, ...codes: ErrorCode[]): error is FleetError {
  return error instanceof FleetError && (codes.length === 0 || codes.includes(error.code));
}

/** Marks code that cannot be reached; the compiler checks it at the end of a switch. */
export function assertNever(value: never): never {
  throw new FleetError("internal", `unexpected value ${JSON.stringify(value)}`);
}
