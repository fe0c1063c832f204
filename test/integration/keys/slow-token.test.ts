import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openLevelStore } from "../../../agent/src/adapters/disk/level-store.ts";
import { Outbox } from "../../../agent/src/outbox/outbox.ts";
import { KeptLog } from "../../support/agent/agent-surroundings.ts";
import { anEvent } from "../../support/agent/outbox-bodies.ts";
import { compilerPart } from "../../support/keys/fault-token.ts";
import { openSlowToken, type SlowToken, stallDuring } from "../../support/keys/slow-token.ts";
import { softHsmPart } from "../../support/keys/softhsm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { testPki } from "../../support/pki/test-pki.ts";
import { providerIdentity, rootPem, softwareIdentity } from "../../support/pki/tls-identity.ts";
import { tlsHandshake } from "../../support/pki/tls-pair.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([softHsmPart, tlsAddonPart, compilerPart], "a token that takes 250 ms for a signature", () => {
  let token: SlowToken;
  let directory: string;
  let handshake: () => ReturnType<typeof tlsHandshake>;

  beforeAll(async () => {
    token = await openSlowToken();
    directory = await mkdtemp(join(tmpdir(), "fleetcert-slow-"));
    const pki = await testPki();
    const client = await providerIdentity(pki, token.key, "slow");
    const server = await softwareIdentity(pki, "server");
    handshake = () => tlsHandshake({ client, server, ca: rootPem(pki), version: "TLSv1.3" });
  });

  afterAll(async () => {
    await token.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("stops the event loop once per handshake, and everything else goes on after each", async () => {
    const state = await openLevelStore(join(directory, "state"));
    const outbox = await Outbox.open({ state, log: new KeptLog() });
    token.takes(250);
    const fired: number[] = [];
    const timers = Array.from({ length: 40 }, (_, index) => setTimeout(() => fired.push(index), index * 25));
    const { longestMs, ticks } = await stallDuring(async () => {
      const writes = Array.from({ length: 50 }, (_, index) => outbox.enqueue(anEvent(`event-${index}`)));
      for (let round = 0; round < 3; round++) expect(await handshake()).toMatchObject({ seenAs: "slow" });
      await Promise.all(writes);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    });
    token.takes(0);
    for (const timer of timers) clearTimeout(timer);
    expect(longestMs).toBeGreaterThan(200);
    expect(ticks).toBeGreaterThan(20);
    expect(fired.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => index));
    await state.close();
    const again = await openLevelStore(join(directory, "state"));
    expect((await Outbox.open({ state: again, log: new KeptLog() })).waiting()).toHaveLength(50);
    await again.close();
  });

  it("does not stop it when a message is signed, four at a time", async () => {
    token.takes(250);
    const begun = performance.now();
    const { longestMs } = await stallDuring(() =>
      Promise.all(Array.from({ length: 8 }, () => token.key.sign(Buffer.from("message")))),
    );
    const took = performance.now() - begun;
    token.takes(0);
    expect(longestMs).toBeLessThan(200);
    expect(took).toBeGreaterThan(480);
    expect(took).toBeLessThan(8 * 250);
  });

  it.each(["CKR_DEVICE_ERROR", "CKR_DEVICE_REMOVED", "CKR_GENERAL_ERROR"] as const)(
    "tells the TLS error event by its name what it failed with: %s",
    async (result) => {
      token.fault.arm({ at: 1, times: 1000, result, only: "C_Sign" });
      const { clientError, seenAs } = await handshake();
      token.fault.disarm();
      expect(clientError?.message).toContain(`on token "slow" failed: ${result}`);
      expect(seenAs).toBeUndefined();
      expect(await handshake()).toMatchObject({ seenAs: "slow" });
    },
  );
});
