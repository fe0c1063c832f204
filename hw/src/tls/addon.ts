import { createRequire } from "node:module";
import { FleetError } from "@fleetcert/shared";

/** What hw/native exports; see the comments in signing-key.c. */
export interface TlsAddon {
  /**
   * Makes a private key for OpenSSL out of a public key and a function that signs digests; returns the PEM for node:tls.
   * `sign` runs synchronously on the thread that registered it; what it throws becomes the TLS error.
   */
  register(
    spki: Uint8Array,
    sign: (scheme: string, hash: string, digest: Uint8Array, saltLength: number) => Uint8Array,
  ): string;
  /** Forgets a key of this thread; later signatures with it fail. Returns whether it was there. */
  unregister(pem: string): boolean;
  /** How many keys are registered in this process. */
  registered(): number;
}

/**
 * The TLS addon, loaded at its first use so that everything else works without it.
 * Throws `key-store-missing` when it was not built.
 */
export function loadTlsAddon(candidates: readonly string[] = places): TlsAddon {
  const problems: unknown[] = [];
  for (const place of candidates) {
    try {
      return require(place) as TlsAddon;
    } catch (error) {
      problems.push(error);
    }
  }
  throw new FleetError("key-store-missing", "the addon for TLS with token keys is not built or does not load", {
    hint: "sudo apt-get install build-essential python3 && node hw/build-native.mjs --required",
    cause: new AggregateError(problems),
  });
}

const require = createRequire(import.meta.url);

// Beside the sources in a checkout, beside the bundle in a release.
const places = ["../../native/build/Release/fleetcert_tls.node", "./fleetcert_tls.node"];
