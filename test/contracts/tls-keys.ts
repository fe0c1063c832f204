import * as crypto from "node:crypto";
import { createSecureContext } from "node:tls";
import type { OpenKeyProvider } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { loadTlsAddon } from "../../hw/src/tls/addon.ts";
import { testPki } from "../support/pki/test-pki.ts";
import { providerIdentity, rootPem, softwareIdentity } from "../support/pki/tls-identity.ts";
import { tlsHandshake } from "../support/pki/tls-pair.ts";

/** A key store whose keys never leave it, and a way to take its sessions from it while it is open. */
export interface TlsKeysUnderTest {
  open(): Promise<OpenKeyProvider>;
  /** What {@link interrupt} does, as the end of a sentence. */
  readonly interruption: string;
  interrupt(): Promise<void>;
}

/** What TLS with keys that stay in their store must do, whatever the store is. */
export function tlsKeysContract({ open, interruption, interrupt }: TlsKeysUnderTest): void {
  describe.each(["P-256", "RSA-2048"] as const)("%s", (algorithm) => {
    it.each(["TLSv1.3", "TLSv1.2"] as const)("authenticates client, server and both over %s", async (version) => {
      const provider = await open();
      const pki = await testPki();
      const ours = await providerIdentity(pki, await provider.generate({ algorithm, label: "tls" }), "our-side");
      const software = await softwareIdentity(pki, "software-side");
      const ca = rootPem(pki);
      const asClient = await tlsHandshake({ client: ours, server: software, ca, version });
      expect(asClient).toMatchObject({ seenAs: "our-side", protocol: version, clientError: undefined });
      const asServer = await tlsHandshake({ client: software, server: ours, ca, version });
      expect(asServer).toMatchObject({ seenAs: "software-side", protocol: version, clientError: undefined });
      const asBoth = await tlsHandshake({ client: ours, server: ours, ca, version });
      expect(asBoth).toMatchObject({ seenAs: "our-side", protocol: version, clientError: undefined });
      await provider.close();
    });

    it(`goes on after ${interruption}`, async () => {
      const provider = await open();
      const pki = await testPki();
      const client = await providerIdentity(pki, await provider.generate({ algorithm, label: "tls" }), "our-side");
      const server = await softwareIdentity(pki, "s");
      await interrupt();
      const outcome = await tlsHandshake({ client, server, ca: rootPem(pki), version: "TLSv1.3" });
      expect(outcome).toMatchObject({ seenAs: "our-side" });
      await provider.close();
    });

    it("fails with an error, not a crash, once the provider is closed", async () => {
      const before = loadTlsAddon().registered();
      const provider = await open();
      const pki = await testPki();
      const key = await provider.generate({ algorithm, label: "tls" });
      const side = await providerIdentity(pki, key, "our-side");
      const loaded = crypto.createPrivateKey(side.key);
      await provider.close();
      expect(loadTlsAddon().registered()).toBe(before);
      expect(() => createSecureContext({ ...side })).toThrow();
      expect(() => crypto.sign("sha256", Buffer.from("x"), loaded)).toThrow(/key is closed/);
      expect(() => key.tlsKey()).toThrowError(expect.objectContaining({ code: "key-store-unavailable" }));
    });
  });
}
