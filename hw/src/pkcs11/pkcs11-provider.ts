import {
  FleetError,
  type KeyAlgorithm,
  type KeyProviderInfo,
  type KeySummary,
  type OpenKeyProvider,
  type ProviderKey,
  type SecretSource,
} from "@fleetcert/shared";
import { openTlsKeyHandle, type TlsKeyHandle } from "../tls/tls-key-handle.ts";
import { ck } from "./constants.ts";
import { loadCryptoki } from "./cryptoki.ts";
import { tokenSelector } from "./find-token.ts";
import { destroyById, generateKey } from "./generate-key.ts";
import { supportedAlgorithms } from "./key-kind.ts";
import { findAttribute, findObjects, kindOf, labelOf, type Session } from "./key-objects.ts";
import { type PinMemory, processPinMemory } from "./pin-memory.ts";
import { type KeyFacts, Pkcs11Key, readKey } from "./pkcs11-key.ts";
import { Token } from "./token.ts";
import { formatPkcs11Uri, parsePkcs11Uri } from "./uri.ts";

/**
 * Opens the keys of one PKCS#11 token. Refs are RFC 7512 URIs without a PIN; a key is found by its `id` (CKA_ID) alone.
 *
 * Throws `key-store-missing`, `key-store-unavailable`, `pin-refused` (after one attempt, never repeated), `token-error`
 * or `request-invalid` (malformed URI).
 */
export async function openPkcs11Provider(config: {
  readonly modulePath: string;
  /** The token's label, or an RFC 7512 URI. */
  readonly tokenLabel: string;
  readonly pin: SecretSource;
  readonly pinMemory?: PinMemory | undefined;
  readonly isAttended?: boolean | undefined;
}): Promise<OpenKeyProvider> {
  const cryptoki = loadCryptoki(config.modulePath);
  const { pin, pinMemory: memory = processPinMemory, isAttended = false } = config;
  const token = await Token.acquire(cryptoki, tokenSelector(config.tokenLabel), { pin, memory, isAttended });
  try {
    return new Pkcs11Provider(token, config.modulePath, supportedAlgorithms(cryptoki, token.facts.slot));
  } catch (error) {
    await token.release();
    throw error;
  }
}

class Pkcs11Provider implements OpenKeyProvider {
  readonly info: KeyProviderInfo;
  readonly #token: Token;
  readonly #modulePath: string;
  readonly #tlsHandles = new Map<string, TlsKeyHandle>();
  #isOpen = true;

  constructor(token: Token, modulePath: string, algorithms: readonly KeyAlgorithm[]) {
    const { label, serial, model, manufacturer } = token.facts;
    const description = `token "${label}" (${manufacturer} ${model})`;
    this.info = { kind: "pkcs11", protection: "token", description, serial, algorithms };
    this.#token = token;
    this.#modulePath = modulePath;
  }

  async generate(request: { readonly algorithm: KeyAlgorithm; readonly label: string }): Promise<ProviderKey> {
    return this.#key(await generateKey(this.#requireOpen(), request));
  }

  async open(ref: string): Promise<ProviderKey> {
    const id = this.#idOf(ref);
    const token = this.#requireOpen();
    return this.#key(token.runSync((session) => readKey({ cryptoki: token.cryptoki, session }, id)));
  }

  async list(labelPrefix: string): Promise<KeySummary[]> {
    const token = this.#requireOpen();
    return token.runSync((handle) => {
      const session = { cryptoki: token.cryptoki, session: handle };
      const privateKeys = findObjects(session, [{ type: ck.CKA_CLASS, value: ck.CKO_PRIVATE_KEY }]);
      return privateKeys
        .map((object) => this.#summary(session, object))
        .filter(({ label }) => label.startsWith(labelPrefix));
    });
  }

  async destroy(ref: string): Promise<void> {
    const id = this.#idOf(ref);
    const token = this.#requireOpen();
    this.#closeTlsHandle(Buffer.from(id).toString("hex"));
    await token.runDestroying((session) => destroyById({ cryptoki: token.cryptoki, session }, id));
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const id of [...this.#tlsHandles.keys()]) this.#closeTlsHandle(id);
    await this.#token.release();
  }

  #key(facts: KeyFacts): Pkcs11Key {
    const ref = this.#refOf(facts);
    return new Pkcs11Key(facts, { ref, token: this.#token, tlsKey: (key) => this.#tlsKey(key) });
  }

  /** One handle a key, however often it is opened: OpenSSL would keep each of them until the process ends. */
  #tlsKey(key: Pkcs11Key): string {
    this.#requireOpen();
    const handle = this.#tlsHandles.get(key.id) ?? openTlsKeyHandle(key.spki, (request) => key.signDigest(request));
    this.#tlsHandles.set(key.id, handle);
    return handle.pem;
  }

  #closeTlsHandle(id: string): void {
    this.#tlsHandles.get(id)?.close();
    this.#tlsHandles.delete(id);
  }

  #summary(session: Session, privateKey: Buffer): KeySummary {
    const id = findAttribute(session, privateKey, ck.CKA_ID)?.toString("hex") ?? "";
    const label = labelOf(session, privateKey);
    return { ref: this.#refOf({ id, label }), id, label, algorithm: kindOf(session, privateKey)?.algorithm };
  }

  #refOf({ id, label }: { readonly id: string; readonly label: string }): string {
    return formatPkcs11Uri({
      token: this.#token.facts.label,
      id: Buffer.from(id, "hex"),
      object: label,
      type: "private",
      modulePath: this.#modulePath,
    });
  }

  #idOf(ref: string): Uint8Array {
    const { id, token, serial, type } = parsePkcs11Uri(ref);
    if (id === undefined || (type ?? "private") !== "private") {
      throw new FleetError("request-invalid", "the PKCS#11 URI does not name a private key by its id");
    }
    const { label, serial: ownSerial } = this.#token.facts;
    if ((token ?? label) !== label || (serial ?? ownSerial) !== ownSerial) {
      throw new FleetError("key-not-found", `the key is on token "${token ?? serial}", this is "${label}"`);
    }
    return id;
  }

  #requireOpen(): Token {
    if (this.#isOpen) return this.#token;
    throw new FleetError("key-store-unavailable", `token "${this.#token.facts.label}" is closed`);
  }
}
