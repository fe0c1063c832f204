import { openKeyProvider } from "@fleetcert/hw";
import type { OpenKeyProvider } from "@fleetcert/shared";
import mqtt, { type IClientOptions } from "mqtt";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { softHsmPart, startSoftHsm } from "../../support/keys/softhsm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { type TestPki, testPki } from "../../support/pki/test-pki.ts";
import { providerIdentity, rootPem, softwareIdentity, type TlsIdentity } from "../../support/pki/tls-identity.ts";
import { type Mosquitto, mosquittoPart, startMosquitto } from "../../support/programs/mosquitto.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([mosquittoPart, softHsmPart, tlsAddonPart], "Mosquitto with client certificates", () => {
  const hsm = startSoftHsm();
  let provider: OpenKeyProvider;
  let pki: TestPki;
  let broker: Mosquitto;
  beforeAll(async () => {
    const { tokenLabel, pin } = hsm.createToken();
    provider = await openKeyProvider({ kind: "pkcs11", modulePath: hsm.modulePath, tokenLabel, pin: () => pin });
    pki = await testPki();
    const server = await softwareIdentity(pki, "broker", { subjectAlternativeNames: [{ ip: "127.0.0.1" }] });
    // %u is the common name of the client certificate: a device writes under its own name only.
    const acl = "user watcher\ntopic read fleet/#\npattern write fleet/%u/up/#\n";
    broker = await startMosquitto({ server, ca: rootPem(pki), acl });
  });
  afterAll(async () => {
    await broker?.stop();
    await provider?.close();
    hsm.remove();
  });
  const optionsFor = (identity: TlsIdentity, more: IClientOptions = {}): IClientOptions => ({
    protocol: "mqtts",
    host: "127.0.0.1",
    port: broker.port,
    protocolVersion: 4,
    reconnectPeriod: 0,
    connectTimeout: 10_000,
    ca: rootPem(pki),
    ...identity,
    ...more,
  });

  it.each(["P-256", "RSA-2048"] as const)(
    "accepts a %s key on the token and takes its name as user name",
    async (algorithm) => {
      const name = `device-${algorithm.toLowerCase()}`;
      const identity = await providerIdentity(pki, await provider.generate({ algorithm, label: name }), name);
      const watcher = await mqtt.connectAsync(
        optionsFor(await softwareIdentity(pki, "watcher"), { clientId: "watcher" }),
      );
      const received: string[] = [];
      const done = new Promise<void>((resolve) => {
        watcher.on("message", (topic, payload) => {
          received.push(`${topic} ${payload.toString()}`);
          if (payload.toString() === "last") resolve();
        });
      });
      await watcher.subscribeAsync("fleet/#", { qos: 1 });
      for (const minVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        const version = { minVersion, maxVersion: minVersion };
        const device = await mqtt.connectAsync(optionsFor(identity, { clientId: name, ...version }));
        await device.publishAsync(`fleet/${name}/up/status`, minVersion, { qos: 1 });
        await device.publishAsync("fleet/somebody-else/up/status", "not mine", { qos: 1 });
        if (minVersion === "TLSv1.3") await device.publishAsync(`fleet/${name}/up/status`, "last", { qos: 1 });
        await device.endAsync();
      }
      await done;
      await watcher.endAsync();
      const own = (text: string): string => `fleet/${name}/up/status ${text}`;
      expect(received).toEqual([own("TLSv1.2"), own("TLSv1.3"), own("last")]);
    },
  );

  it("refuses a certificate of another CA, though the token signs with it", async () => {
    const elsewhere = await testPki();
    const key = await provider.generate({ algorithm: "P-256", label: "foreign" });
    const identity = await providerIdentity(elsewhere, key, "foreign");
    await expect(mqtt.connectAsync("mqtts://127.0.0.1", optionsFor(identity), false)).rejects.toThrow();
    await vi.waitFor(() => expect(broker.log()).toMatch(/verify failed|unknown ca/i), 5000);
    expect(broker.log()).not.toContain("u'foreign'");
  });

  it("refuses a client without a certificate", async () => {
    await expect(mqtt.connectAsync("mqtts://127.0.0.1", optionsFor({ key: "", cert: "" }), false)).rejects.toThrow();
  });

  it("is refused by the client when its certificate is of another CA", async () => {
    const key = await provider.generate({ algorithm: "P-256", label: "careful" });
    const identity = await providerIdentity(pki, key, "careful");
    const ca = rootPem(await testPki());
    await expect(mqtt.connectAsync("mqtts://127.0.0.1", optionsFor(identity, { ca }), false)).rejects.toThrow(
      /self-signed|issuer|verify/i,
    );
  });
});
