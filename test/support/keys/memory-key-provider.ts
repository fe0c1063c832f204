import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { FleetError, type KeyAlgorithm, type OpenKeyProvider, type ProviderKey } from "@fleetcert/shared";

/** A key provider that keeps its keys in memory, for tests that need keys and not their storage; refs are `software:<id>`. */
export function memoryKeyProvider(): OpenKeyProvider {
  const keys = new Map<string, MemoryKey>();
  return {
    info: {
      kind: "software",
      protection: "software",
      description: "in-memory test keys",
      algorithms: ["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519"],
    },
    async generate({ algorithm, label }) {
      const key = new MemoryKey(algorithm, label, makers[algorithm]());
      keys.set(key.ref, key);
      return key;
    },
    async open(ref) {
      const key = keys.get(ref);
      if (key === undefined) throw new FleetError("key-not-found", `no key ${ref}`);
      return key;
    },
    async list(labelPrefix) {
      return [...keys.values()]
        .filter((key) => key.label.startsWith(labelPrefix))
        .map(({ ref, id, label, algorithm }) => ({ ref, id, label, algorithm }));
    },
    async destroy(ref) {
      keys.delete(ref);
    },
    async close() {},
  };
}

class MemoryKey implements ProviderKey {
  readonly protection = "software";
  readonly algorithm: KeyAlgorithm;
  readonly label: string;
  readonly spki: Uint8Array;
  readonly id: string;
  readonly ref: string;
  readonly #key: KeyObject;

  constructor(algorithm: KeyAlgorithm, label: string, pair: { publicKey: KeyObject; privateKey: KeyObject }) {
    this.algorithm = algorithm;
    this.label = label;
    this.spki = new Uint8Array(pair.publicKey.export({ type: "spki", format: "der" }));
    this.id = createHash("sha256").update(this.spki).digest("hex");
    this.ref = `software:${this.id}`;
    this.#key = pair.privateKey;
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(sign(hashes[this.algorithm], message, this.#key));
  }

  tlsKey(): string {
    return this.#key.export({ type: "pkcs8", format: "pem" }).toString();
  }
}

const makers = {
  "P-256": () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  "P-384": () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
  "RSA-2048": () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  "RSA-3072": () => generateKeyPairSync("rsa", { modulusLength: 3072 }),
  "RSA-4096": () => generateKeyPairSync("rsa", { modulusLength: 4096 }),
  Ed25519: () => generateKeyPairSync("ed25519"),
};

const hashes = {
  "P-256": "sha256",
  "P-384": "sha384",
  "RSA-2048": "sha256",
  "RSA-3072": "sha256",
  "RSA-4096": "sha256",
  Ed25519: null,
};
