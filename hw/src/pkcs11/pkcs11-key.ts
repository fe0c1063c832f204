import { FleetError, type KeyAlgorithm, type ProviderKey, spkiSha256 } from "@fleetcert/shared";
import type { DigestToSign } from "../tls/tls-key-handle.ts";
import { ck } from "./constants.ts";
import type { Handle } from "./cryptoki.ts";
import { requireProtected } from "./key-attributes.ts";
import type { KeyKind } from "./key-kind.ts";
import { findById, labelOf, readSpki, type Session } from "./key-objects.ts";
import { digestSignature, messageSignature, type TokenSignature } from "./sign-with-token.ts";
import type { Token } from "./token.ts";
import { asking, tokenError } from "./token-error.ts";

/** A key as it stands on a token. */
export interface KeyFacts {
  readonly id: string;
  readonly label: string;
  readonly spki: Uint8Array;
  readonly kind: KeyKind;
}

/**
 * Reads a key by its CKA_ID and checks what makes it one of ours: one private and one public object, protected, the id
 * being the SHA-256 of the SPKI. Throws `key-not-found`, `key-attributes-wrong` or `token-error`.
 */
export function readKey(session: Session, id: Uint8Array): KeyFacts {
  const idHex = Buffer.from(id).toString("hex");
  const privateKey = requirePrivateKey(session, id);
  const [publicKey] = findById(session, ck.CKO_PUBLIC_KEY, id);
  if (publicKey === undefined) throw new FleetError("key-not-found", `key ${idHex} has no public half on the token`);
  const { spki, kind } = readSpki(session, publicKey);
  requireProtected(session, privateKey);
  if (spkiSha256(spki) !== idHex) {
    throw new FleetError("key-attributes-wrong", `key ${idHex} on the token does not carry the id of its public key`, {
      hint: "its making was interrupted, or another program changed it; destroy it",
    });
  }
  return { id: idHex, label: labelOf(session, privateKey), spki, kind };
}

/** The one private key object with this CKA_ID. */
export function requirePrivateKey(session: Session, id: Uint8Array): Handle {
  const [found, second] = findById(session, ck.CKO_PRIVATE_KEY, id);
  const idHex = Buffer.from(id).toString("hex");
  if (found === undefined) throw new FleetError("key-not-found", `there is no key ${idHex} on the token`);
  if (second !== undefined) throw new FleetError("key-attributes-wrong", `two keys on the token have the id ${idHex}`);
  return found;
}

/** A key on a token that this process can sign with. */
export class Pkcs11Key implements ProviderKey {
  readonly protection = "token";
  readonly ref: string;
  readonly id: string;
  readonly label: string;
  readonly spki: Uint8Array;
  readonly algorithm: KeyAlgorithm;
  readonly #kind: KeyKind;
  readonly #token: Token;
  readonly #tlsKey: (key: Pkcs11Key) => string;
  #handle: { readonly generation: number; readonly object: Handle } | undefined;

  constructor(
    facts: KeyFacts,
    { ref, token, tlsKey }: { ref: string; token: Token; tlsKey: (key: Pkcs11Key) => string },
  ) {
    this.ref = ref;
    this.id = facts.id;
    this.label = facts.label;
    this.spki = facts.spki;
    this.algorithm = facts.kind.algorithm;
    this.#kind = facts.kind;
    this.#token = token;
    this.#tlsKey = tlsKey;
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    const signature = messageSignature(this.#kind, message);
    const answer = await this.#token.run(
      async (session) => {
        this.#begin(session, signature);
        try {
          return await this.#token.cryptoki.C_SignAsync(session, signature.input, Buffer.alloc(signature.maxBytes));
        } catch (error) {
          throw tokenError(this.#doing(), error);
        }
      },
      { key: this.id },
    );
    return signature.finish(answer);
  }

  /** One signature for TLS, before this returns. */
  signDigest(request: DigestToSign): Uint8Array {
    const signature = digestSignature(this.#kind, request);
    this.#token.makeRoomFor(this.id);
    const answer = this.#token.runSync((session) => {
      this.#begin(session, signature);
      const room = Buffer.alloc(signature.maxBytes);
      return asking(this.#doing(), () => this.#token.cryptoki.C_Sign(session, signature.input, room));
    });
    return signature.finish(answer);
  }

  tlsKey(): string {
    return this.#tlsKey(this);
  }

  #begin(session: Handle, { mechanism }: TokenSignature): void {
    const object = this.#object(session);
    asking(this.#doing(), () => this.#token.cryptoki.C_SignInit(session, mechanism, object));
  }

  /** Object handles hold for all sessions until the token is opened anew. */
  #object(session: Handle): Handle {
    const generation = this.#token.generation;
    if (this.#handle?.generation !== generation) {
      const object = requirePrivateKey({ cryptoki: this.#token.cryptoki, session }, Buffer.from(this.id, "hex"));
      this.#handle = { generation, object };
    }
    return this.#handle.object;
  }

  #doing(): string {
    return `signing with key "${this.label}" on token "${this.#token.facts.label}"`;
  }
}
