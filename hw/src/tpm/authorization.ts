import { tpmJoin, tpmSized, tpmU8, tpmU32 } from "@fleetcert/shared";

/** What stands in the authorization area of a command for one handle, and of its response (Part 1 §19). */
export interface Authorization {
  /** The parameters as they go over the bus: the first one encrypted, where the session does that. Called first. */
  protect(parameters: Uint8Array): Uint8Array;
  /** TPMS_AUTH_COMMAND; `commandHash` is cpHash (Part 1 §16.7), of the protected parameters. */
  write(commandHash: Uint8Array): Uint8Array;
  /** Checks what came back; `responseHash` is rpHash (Part 1 §16.8). Throws `token-error`. */
  accept(entry: AuthorizationResponse, responseHash: Uint8Array): void;
  /** The opposite of `protect` for the response's parameters. Called last. */
  reveal(parameters: Uint8Array): Uint8Array;
}

/** TPMS_AUTH_RESPONSE. */
export interface AuthorizationResponse {
  readonly nonce: Uint8Array;
  readonly attributes: number;
  readonly hmac: Uint8Array;
}

/** For objects without an authorisation value: an empty password. No secret ever goes this way. */
export const noAuthorization: Authorization = plainEntry(0x40000009);

/** By a policy session that has satisfied the policy of the object; it ends with the command. */
export const policyAuthorization = (session: number): Authorization => plainEntry(session);

function plainEntry(session: number): Authorization {
  const entry = tpmJoin(tpmU32(session), tpmSized(), tpmU8(0), tpmSized());
  return { protect: (parameters) => parameters, write: () => entry, accept() {}, reveal: (parameters) => parameters };
}
