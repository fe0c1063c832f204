import { randomBytes, timingSafeEqual } from "node:crypto";
import { deriveKey, FleetError, type Secret, tpmJoin, tpmSized, tpmU8, tpmU32 } from "@fleetcert/shared";
import type { Authorization, AuthorizationResponse } from "./authorization.ts";
import { decryptCfb, encryptCfb, nodeCredentialCrypto } from "./credential-crypto.ts";

/** What a session encrypts on the bus: the first parameter of the command, of the response, or both. */
export interface BusProtection {
  readonly command: boolean;
  readonly response: boolean;
}

/** What a session is for. */
export interface SessionUse {
  /** The authorisation value of what the session authorises; undefined when it is empty. */
  readonly auth?: Secret | undefined;
  /** The value it will have when the command has changed it. */
  readonly authAfterwards?: Secret;
  readonly protection: BusProtection;
}

/**
 * An HMAC session for one command (Part 1 §19.6): the authorisation value proves itself by an HMAC and never crosses the
 * bus, and first parameters are encrypted by AES-128-CFB (Part 1 §21.3). It ends with the command, when that succeeds.
 */
export class HmacSession implements Authorization {
  readonly handle: number;
  readonly #hmacKey: Uint8Array;
  readonly #responseKey: Uint8Array;
  readonly #protection: BusProtection;
  readonly #nonceCaller = new Uint8Array(randomBytes(nonceBytes));
  #nonceTpm: Uint8Array;

  constructor(
    { handle, nonceTpm, sessionKey }: { handle: number; nonceTpm: Uint8Array; sessionKey: Uint8Array },
    { auth, authAfterwards, protection }: SessionUse,
  ) {
    this.handle = handle;
    this.#nonceTpm = nonceTpm;
    this.#hmacKey = tpmJoin(sessionKey, authValueOf(auth));
    // Part 1 §19.6.4: the response to a command that changes the value is authorised by the new one.
    this.#responseKey = authAfterwards === undefined ? this.#hmacKey : tpmJoin(sessionKey, authValueOf(authAfterwards));
    this.#protection = protection;
  }

  protect(parameters: Uint8Array): Uint8Array {
    if (!this.#protection.command) return parameters;
    return this.#crypt(parameters, encryptCfb, { newer: this.#nonceCaller, older: this.#nonceTpm });
  }

  write(commandHash: Uint8Array): Uint8Array {
    const attributes = this.#attributes();
    const mac = this.#mac(this.#hmacKey, commandHash, { newer: this.#nonceCaller, older: this.#nonceTpm, attributes });
    return tpmJoin(tpmU32(this.handle), tpmSized(this.#nonceCaller), tpmU8(attributes), tpmSized(mac));
  }

  accept({ nonce, attributes, hmac }: AuthorizationResponse, responseHash: Uint8Array): void {
    const mac = this.#mac(this.#responseKey, responseHash, { newer: nonce, older: this.#nonceCaller, attributes });
    if (mac.length !== hmac.length || !timingSafeEqual(mac, hmac)) {
      throw new FleetError("token-error", "the TPM's response does not prove to come from the session's TPM", {
        hint: "something between this program and the TPM changes what they say",
      });
    }
    this.#nonceTpm = nonce;
  }

  reveal(parameters: Uint8Array): Uint8Array {
    if (!this.#protection.response) return parameters;
    return this.#crypt(parameters, decryptCfb, { newer: this.#nonceTpm, older: this.#nonceCaller });
  }

  #attributes(): number {
    return (this.#protection.command ? decryptAttribute : 0) | (this.#protection.response ? encryptAttribute : 0);
  }

  #mac(
    key: Uint8Array,
    hash: Uint8Array,
    { newer, older, attributes }: { newer: Uint8Array; older: Uint8Array; attributes: number },
  ): Uint8Array {
    return nodeCredentialCrypto.hmac("sha256", key, tpmJoin(hash, newer, older, tpmU8(attributes)));
  }

  /** The content of the first sized buffer; its length stays readable. */
  #crypt(
    parameters: Uint8Array,
    cipher: typeof encryptCfb,
    { newer, older }: { newer: Uint8Array; older: Uint8Array },
  ): Uint8Array {
    const bytes = deriveKey(nodeCredentialCrypto, this.#hmacKey, {
      hash: "sha256",
      label: "CFB",
      contextU: newer,
      contextV: older,
      bits: 256,
    });
    const end = 2 + (((parameters[0] ?? 0) << 8) | (parameters[1] ?? 0));
    const first = cipher(bytes.subarray(0, 16), bytes.subarray(16), parameters.subarray(2, end));
    return tpmJoin(parameters.subarray(0, 2), first, parameters.subarray(end));
  }
}

/** Part 1 §19.6.5: trailing zeros of an authorisation value do not count. */
function authValueOf(auth: Secret | undefined): Uint8Array {
  return Buffer.from((auth?.reveal() ?? "").replace(/\0+$/, ""), "utf8");
}

/** Octets of a nonce: as many as SHA-256 gives. */
export const nonceBytes = 32;

const decryptAttribute = 0x20;
const encryptAttribute = 0x40;
