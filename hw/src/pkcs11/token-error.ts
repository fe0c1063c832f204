import { type ErrorCode, FleetError } from "@fleetcert/shared";

/**
 * Turns what a PKCS#11 module reports into a typed error: `CKR_…` becomes `token-error`, `pin-refused` or
 * `key-store-unavailable` with a hint; every other error stays what it is.
 */
export function tokenError(doing: string, cause: unknown): unknown {
  const name = resultName(cause);
  if (name === undefined) return cause;
  const { code = "token-error", hint, retry = false } = meanings[name] ?? {};
  const details = { retry, cause, ...(hint === undefined ? {} : { hint }) };
  return new FleetError(code, `${doing} failed: ${name}`, details);
}

/** Runs one PKCS#11 call and translates its error. */
export function asking<T>(doing: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw tokenError(doing, error);
  }
}

/** Whether the module said that the session, the login or the object handles are gone, or failed in a way a new session may cure. */
export function isSessionLost(error: unknown): boolean {
  const name = resultName(causeOf(error));
  return name !== undefined && lostResults.has(name);
}

/** Whether the module failed without a reason, as SoftHSM2 does while another process writes to the same token. */
export function isDisturbance(error: unknown): boolean {
  return resultName(causeOf(error)) === "CKR_GENERAL_ERROR";
}

/** Whether the token has no session left to give. */
export function isOutOfSessions(error: unknown): boolean {
  return resultName(causeOf(error)) === "CKR_SESSION_COUNT";
}

/** The `CKR_…` name in an error of pkcs11js. Its text is the only place that has it when C_FindObjects fails. */
export function resultName(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return /\bCKR_[A-Z0-9_]+/.exec(error.message)?.[0];
}

const causeOf = (error: unknown): unknown => (error instanceof FleetError ? error.cause : error);

interface Meaning {
  readonly code?: ErrorCode;
  readonly hint?: string;
  readonly retry?: boolean;
}

const cannotKeep =
  "the token does not make persistent keys that are sensitive, not extractable and only sign; use another token";

// PKCS#11 3.0 §5.1: general results, with what a person can do about the ones that are met in practice.
const meanings: Readonly<Record<string, Meaning>> = {
  CKR_PIN_INCORRECT: {
    code: "pin-refused",
    hint: "correct the PIN; the refused one is not tried again",
  },
  CKR_PIN_INVALID: { code: "pin-refused", hint: "the PIN has characters the token does not take" },
  CKR_PIN_LEN_RANGE: { code: "pin-refused", hint: "the PIN is shorter or longer than the token takes" },
  CKR_PIN_EXPIRED: { code: "pin-refused", hint: "set a new user PIN with the token's own tool" },
  CKR_PIN_LOCKED: {
    code: "pin-refused",
    hint: "the token has locked the PIN; unlock it with the security officer's PIN",
  },
  CKR_USER_PIN_NOT_INITIALIZED: { code: "pin-refused", hint: "the token has no user PIN yet; initialise it" },
  CKR_TOKEN_NOT_PRESENT: { code: "key-store-unavailable", hint: "connect the token", retry: true },
  CKR_DEVICE_REMOVED: { code: "key-store-unavailable", hint: "reconnect the token", retry: true },
  CKR_TOKEN_NOT_RECOGNIZED: { code: "key-store-unavailable", hint: "the module does not know this token" },
  CKR_SESSION_HANDLE_INVALID: {
    hint: "the session was lost twice; look for another program that resets it",
    retry: true,
  },
  CKR_SESSION_COUNT: { hint: "the token has no free session; close other programs that use it", retry: true },
  CKR_USER_NOT_LOGGED_IN: { hint: "the login was lost; look for another program that logs out", retry: true },
  CKR_DEVICE_MEMORY: { hint: "the token is full; collect old keys" },
  CKR_DEVICE_ERROR: { hint: "the token reports a fault of its own", retry: true },
  CKR_HOST_MEMORY: { retry: true },
  CKR_GENERAL_ERROR: { hint: "look into the log of the token's module", retry: true },
  CKR_FUNCTION_FAILED: { hint: "look into the log of the token's module", retry: true },
  CKR_MECHANISM_INVALID: { hint: "the token does not do this kind of key or signature; choose another algorithm" },
  CKR_KEY_SIZE_RANGE: { hint: "the token does not do keys of this size; choose another algorithm" },
  CKR_TOKEN_WRITE_PROTECTED: { hint: "the token cannot be written: its maker's tool has to make it writable" },
  CKR_SESSION_READ_ONLY: { hint: "the token cannot be written: its maker's tool has to make it writable" },
  CKR_TEMPLATE_INCONSISTENT: { hint: cannotKeep },
  CKR_TEMPLATE_INCOMPLETE: { hint: cannotKeep },
  CKR_ATTRIBUTE_VALUE_INVALID: { hint: cannotKeep },
  CKR_ATTRIBUTE_TYPE_INVALID: { hint: cannotKeep },
  CKR_FUNCTION_NOT_SUPPORTED: { hint: "the token or its module does not do this; use one that makes keys by itself" },
  CKR_DOMAIN_PARAMS_INVALID: { hint: "the token does not know this curve; choose another algorithm" },
  CKR_CURVE_NOT_SUPPORTED: { hint: "the token does not know this curve; choose another algorithm" },
  CKR_CRYPTOKI_NOT_INITIALIZED: { hint: "another part of this process ended the module", retry: true },
  CKR_ATTRIBUTE_READ_ONLY: { hint: "the token does not allow to set what Fleetcert needs on a key" },
  CKR_CANT_LOCK: { hint: "the module does not work with threads; it cannot be used" },
  CKR_SESSION_EXISTS: { hint: "close every program that uses the token, then try again" },
};

const lostResults: ReadonlySet<string> = new Set([
  "CKR_SESSION_HANDLE_INVALID",
  "CKR_SESSION_CLOSED",
  "CKR_USER_NOT_LOGGED_IN",
  "CKR_KEY_HANDLE_INVALID",
  "CKR_OBJECT_HANDLE_INVALID",
  "CKR_DEVICE_REMOVED",
  "CKR_TOKEN_NOT_PRESENT",
  "CKR_TOKEN_NOT_RECOGNIZED",
  "CKR_SLOT_ID_INVALID",
  "CKR_CRYPTOKI_NOT_INITIALIZED",
  "CKR_OPERATION_ACTIVE",
  "CKR_OPERATION_NOT_INITIALIZED",
  "CKR_GENERAL_ERROR",
  "CKR_DEVICE_ERROR",
  "CKR_FUNCTION_FAILED",
]);
