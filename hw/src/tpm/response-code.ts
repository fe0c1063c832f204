import { type ErrorCode, FleetError } from "@fleetcert/shared";

/** A TPM's response code, decoded (Part 2 §6.6). */
export interface ResponseCode {
  readonly value: number;
  /** `TPM_RC_…`, or the number in hex where it has no name here. */
  readonly name: string;
  /** What the code is about: `handle 1`, `session 2`, `parameter 1`. */
  readonly about: string | undefined;
}

/** Decodes a response code other than success. */
export function decodeResponseCode(value: number): ResponseCode {
  const unknown = `0x${value.toString(16).padStart(3, "0")}`;
  // Bit 7 tells format 1, whose bits 6 and 8 to 11 say which handle, session or parameter is meant.
  if ((value & 0x080) !== 0) {
    return { value, name: formatOne[value & 0x3f] ?? unknown, about: subjectOf(value) };
  }
  const names = (value & 0x800) === 0 ? errors : warnings;
  return { value, name: (value & 0x100) === 0 ? unknown : (names[value & 0x7f] ?? unknown), about: undefined };
}

/**
 * The error for a response code: `pin-refused` for a wrong or locked authorisation, else `token-error`; the name stands in
 * the message, what a person can do in the hint.
 */
export function tpmError(doing: string, value: number): FleetError {
  const { name, about } = decodeResponseCode(value);
  const { code = "token-error", hint, retry = false } = meanings[name] ?? {};
  const message = `${doing} failed: ${name}${about === undefined ? "" : ` (${about})`}`;
  return new TpmError(code, message, { value, retry, ...(hint === undefined ? {} : { hint }) });
}

/** The response code in an error of {@link tpmError}, undefined for every other value. */
export function responseCodeOf(error: unknown): ResponseCode | undefined {
  return error instanceof TpmError ? decodeResponseCode(error.responseCode) : undefined;
}

/** A {@link FleetError} that keeps the response code. */
class TpmError extends FleetError {
  readonly responseCode: number;

  constructor(
    code: ErrorCode,
    message: string,
    { value, ...details }: { readonly value: number; readonly hint?: string; readonly retry: boolean },
  ) {
    super(code, message, details);
    this.responseCode = value;
  }
}

/** Codes after which the same command may be sent again (Part 2 §6.6.3). */
export const tryAgainCodes: ReadonlySet<number> = new Set([0x908, 0x90a, 0x922]);

/** TPM_RC_INITIALIZE: nobody has started the TPM yet. */
export const notStarted = 0x100;

/** TPM_RC_SUCCESS. */
export const success = 0;

function subjectOf(value: number): string {
  const number = (value >> 8) & 0xf;
  if ((value & 0x040) !== 0) return `parameter ${number}`;
  return (number & 0x8) === 0 ? `handle ${number}` : `session ${number & 0x7}`;
}

interface Meaning {
  readonly code?: ErrorCode;
  readonly hint?: string;
  readonly retry?: boolean;
}

const meanings: Readonly<Record<string, Meaning>> = {
  TPM_RC_AUTH_FAIL: { code: "pin-refused", hint: "correct the authorisation value; it is not tried again" },
  TPM_RC_BAD_AUTH: { code: "pin-refused", hint: "correct the authorisation value; it is not tried again" },
  TPM_RC_LOCKOUT: {
    code: "pin-refused",
    hint: "the TPM is in dictionary-attack lockout; wait, or let its owner reset it (tpm2_dictionarylockout -c)",
  },
  TPM_RC_OBJECT_MEMORY: {
    hint: "the TPM has no free slot for objects; use /dev/tpmrm0 or stop what leaves objects loaded",
    retry: true,
  },
  TPM_RC_SESSION_MEMORY: { hint: "the TPM has no free slot for sessions; stop what leaves sessions open", retry: true },
  TPM_RC_SESSION_HANDLES: { hint: "the TPM has no free session handle; stop what leaves sessions open", retry: true },
  TPM_RC_OBJECT_HANDLES: { hint: "the TPM has no free object handle; restart what uses it", retry: true },
  TPM_RC_POLICY_FAIL: {
    hint: "the key is bound to PCRs, and they have other values than when it was made: other software was started here; start what was there before, or enrol again",
  },
  TPM_RC_PCR_CHANGED: { hint: "a PCR changed at this moment; try again", retry: true },
  TPM_RC_RETRY: { hint: "the TPM is busy; try again", retry: true },
  TPM_RC_YIELDED: { hint: "the TPM is busy; try again", retry: true },
  TPM_RC_TESTING: { hint: "the TPM tests itself; try again", retry: true },
  TPM_RC_FAILURE: { hint: "the TPM is in failure mode; restart the machine" },
  TPM_RC_INTEGRITY: { hint: "the key was made by another TPM, or the TPM was cleared since; enrol again" },
  TPM_RC_HIERARCHY: { hint: "the hierarchy is switched off in the firmware's settings" },
  TPM_RC_DISABLED: { hint: "the command is switched off in the firmware's settings" },
  TPM_RC_CURVE: { hint: "the TPM does not do this curve; choose another algorithm" },
  TPM_RC_KEY_SIZE: { hint: "the TPM does not do keys of this size; choose another algorithm" },
  TPM_RC_SCHEME: { hint: "the TPM does not do this signature scheme; choose another algorithm" },
  TPM_RC_HASH: { hint: "the TPM does not do this hash; choose another algorithm" },
  TPM_RC_NV_UNAVAILABLE: { hint: "the TPM's memory cannot be written now; try again", retry: true },
  TPM_RC_NV_RATE: { hint: "the TPM protects its memory from wear; try again later", retry: true },
  TPM_RC_COMMAND_CODE: { hint: "the TPM does not know this command" },
  TPM_RC_UPGRADE: { hint: "the TPM waits for the end of a firmware upgrade" },
};

// Part 2 §6.6.3, tables 16 to 18.
const formatOne: Readonly<Record<number, string>> = {
  1: "TPM_RC_ASYMMETRIC",
  2: "TPM_RC_ATTRIBUTES",
  3: "TPM_RC_HASH",
  4: "TPM_RC_VALUE",
  5: "TPM_RC_HIERARCHY",
  7: "TPM_RC_KEY_SIZE",
  8: "TPM_RC_MGF",
  9: "TPM_RC_MODE",
  10: "TPM_RC_TYPE",
  11: "TPM_RC_HANDLE",
  12: "TPM_RC_KDF",
  13: "TPM_RC_RANGE",
  14: "TPM_RC_AUTH_FAIL",
  15: "TPM_RC_NONCE",
  16: "TPM_RC_PP",
  18: "TPM_RC_SCHEME",
  21: "TPM_RC_SIZE",
  22: "TPM_RC_SYMMETRIC",
  23: "TPM_RC_TAG",
  24: "TPM_RC_SELECTOR",
  26: "TPM_RC_INSUFFICIENT",
  27: "TPM_RC_SIGNATURE",
  28: "TPM_RC_KEY",
  29: "TPM_RC_POLICY_FAIL",
  31: "TPM_RC_INTEGRITY",
  32: "TPM_RC_TICKET",
  33: "TPM_RC_RESERVED_BITS",
  34: "TPM_RC_BAD_AUTH",
  35: "TPM_RC_EXPIRED",
  36: "TPM_RC_POLICY_CC",
  37: "TPM_RC_BINDING",
  38: "TPM_RC_CURVE",
  39: "TPM_RC_ECC_POINT",
};

const errors: Readonly<Record<number, string>> = {
  0: "TPM_RC_INITIALIZE",
  1: "TPM_RC_FAILURE",
  3: "TPM_RC_SEQUENCE",
  25: "TPM_RC_PRIVATE",
  32: "TPM_RC_DISABLED",
  33: "TPM_RC_EXCLUSIVE",
  36: "TPM_RC_AUTH_TYPE",
  37: "TPM_RC_AUTH_MISSING",
  38: "TPM_RC_POLICY",
  39: "TPM_RC_PCR",
  40: "TPM_RC_PCR_CHANGED",
  45: "TPM_RC_UPGRADE",
  46: "TPM_RC_TOO_MANY_CONTEXTS",
  47: "TPM_RC_AUTH_UNAVAILABLE",
  48: "TPM_RC_REBOOT",
  49: "TPM_RC_UNBALANCED",
  66: "TPM_RC_COMMAND_SIZE",
  67: "TPM_RC_COMMAND_CODE",
  68: "TPM_RC_AUTHSIZE",
  69: "TPM_RC_AUTH_CONTEXT",
  70: "TPM_RC_NV_RANGE",
  71: "TPM_RC_NV_SIZE",
  72: "TPM_RC_NV_LOCKED",
  73: "TPM_RC_NV_AUTHORIZATION",
  74: "TPM_RC_NV_UNINITIALIZED",
  75: "TPM_RC_NV_SPACE",
  76: "TPM_RC_NV_DEFINED",
  80: "TPM_RC_BAD_CONTEXT",
  81: "TPM_RC_CPHASH",
  82: "TPM_RC_PARENT",
  83: "TPM_RC_NEEDS_TEST",
  84: "TPM_RC_NO_RESULT",
  85: "TPM_RC_SENSITIVE",
};

const warnings: Readonly<Record<number, string>> = {
  1: "TPM_RC_CONTEXT_GAP",
  2: "TPM_RC_OBJECT_MEMORY",
  3: "TPM_RC_SESSION_MEMORY",
  4: "TPM_RC_MEMORY",
  5: "TPM_RC_SESSION_HANDLES",
  6: "TPM_RC_OBJECT_HANDLES",
  7: "TPM_RC_LOCALITY",
  8: "TPM_RC_YIELDED",
  9: "TPM_RC_CANCELED",
  10: "TPM_RC_TESTING",
  16: "TPM_RC_REFERENCE_H0",
  17: "TPM_RC_REFERENCE_H1",
  18: "TPM_RC_REFERENCE_H2",
  24: "TPM_RC_REFERENCE_S0",
  25: "TPM_RC_REFERENCE_S1",
  32: "TPM_RC_NV_RATE",
  33: "TPM_RC_LOCKOUT",
  34: "TPM_RC_RETRY",
  35: "TPM_RC_NV_UNAVAILABLE",
};
