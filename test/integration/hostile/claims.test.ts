import { setTimeout as sleep } from "node:timers/promises";
import { type BodyOf, bootstrapClientId, formatTopic } from "@fleetcert/proto";
import { type ErrorCode, encodeCsr, parseClaimString, sha256Hex } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dialTls } from "../../support/attackers/attacker-client.ts";
import { AttackerDevice } from "../../support/attackers/attacker-device.ts";
import { refusal } from "../../support/attackers/attacker-verdict.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { testSigner } from "../../support/keys/test-signer.ts";

let controller: RealController;
let good: AttackerDevice;

beforeAll(async () => {
  controller = await realController();
  good = await device("good-1").join();
});
afterAll(() => controller.close());

const device = (id: string): AttackerDevice => new AttackerDevice(controller, id);

/** Tries to enrol and expects the refusal, its audit entry, nothing else, and a good device that can still join. */
async function expectRefused(
  thief: AttackerDevice,
  claim: string,
  expected: { readonly code: ErrorCode; readonly changes?: Partial<BodyOf<"enrol">> },
): Promise<void> {
  const left = await controller.unchangedBy(async () => {
    expect(await thief.enrol(claim, expected.changes)).toEqual(refusal(expected.code));
  });
  expect(left.map(({ action, outcome }) => [action, outcome])).toEqual([["message.refused", "failure"]]);
  expect(JSON.parse(left[0]?.details ?? "{}")).toMatchObject({ code: expected.code });
}

describe("a claim in the wrong hands", () => {
  it("opens no session with another secret, another id, or after it was taken back", async () => {
    const claim = await controller.claim();
    const { claimId, secret } = parseClaimString(claim);
    const taken = await controller.claim();
    await controller.running.operations.claims.revoke(administrator, parseClaimString(taken).claimId);
    const clientId = bootstrapClientId(sha256Hex(testSigner("P-256").spki));
    const octets = Buffer.from(secret.reveal(), "base64url");
    const wrong = Uint8Array.from(octets, (octet, at) => (at === 31 ? octet ^ 1 : octet));
    const attempts = [
      { clientId, username: claimId, password: wrong },
      { clientId, username: claimId, password: octets.subarray(0, 31) },
      { clientId, username: claimId },
      { clientId, username: "unknownclaim", password: octets },
      { clientId, username: `${claimId}\u0000`, password: octets },
      { clientId, username: parseClaimString(taken).claimId, password: octets },
      { clientId: "good-1", username: claimId, password: octets },
      { clientId },
    ];
    const left = await controller.unchangedBy(async () => {
      for (const attempt of attempts) {
        const client = await dialTls(controller.endpoints.bootstrap);
        expect(await client.connectAs(attempt)).not.toBe(0);
        client.stream.destroy();
      }
    });
    expect(left.map(({ action }) => action).filter((action) => action !== "session.refused")).toEqual([]);
    expect(left.length).toBeGreaterThan(0);
    expect(await device("late-1").enrol(claim)).toMatchObject({ type: "issued" });
  });

  it("is refused when it is expired", async () => {
    const claim = await controller.claim({ validFor: 1_000 });
    await sleep(1_100);
    await expectRefused(device("expired-1"), claim, { code: "claim-invalid" });
  });

  it("is refused when it is spent, but gives the same key the same certificate again", async () => {
    const claim = await controller.claim();
    const first = device("first-1");
    const issued = await first.enrol(claim);
    expect(issued.type).toBe("issued");
    await expectRefused(device("second-1"), claim, { code: "claim-invalid" });
    expect(await controller.unchangedBy(async () => expect(await first.enrol(claim)).toEqual(issued))).toEqual([]);
  });

  it("is refused when it was taken back while the session was open", async () => {
    const claim = await controller.claim();
    const thief = device("open-1");
    const session = await thief.bootstrap(claim);
    await controller.running.operations.claims.revoke(administrator, parseClaimString(claim).claimId);
    await controller.unchangedBy(async () => {
      expect(await thief.askBootstrap(session, await thief.enrolBody())).toEqual(refusal("claim-invalid"));
    });
    session.stream.destroy();
  });

  it("is refused for a device it does not name", async () => {
    await expectRefused(device("other-1"), await controller.claim({ allowedDevices: ["named-1"] }), {
      code: "claim-invalid",
    });
  });

  it("never enrols an id that has or had a credential", async () => {
    await expectRefused(device(good.id), await controller.claim({ maxUses: 5 }), { code: "device-exists" });
    expect(await good.ask(good.activatedBody())).toMatchObject({ type: "confirmed" });
  });

  it("never gives a name that is the controller's own", async () => {
    for (const id of ["controller", "fleet", bootstrapClientId(sha256Hex(testSigner("P-256").spki))]) {
      await expectRefused(device(id), await controller.claim(), { code: "request-invalid" });
    }
  });

  it("gives no other slot and no later generation", async () => {
    const claim = await controller.claim({ maxUses: 5 });
    await expectRefused(device("slot-1"), claim, { code: "request-invalid", changes: { slot: "web" } });
    await expectRefused(device("slot-1"), claim, { code: "request-invalid", changes: { generation: 2 } });
  });

  it("certifies only the key that signs the request and names the session", async () => {
    const thief = device("swapped-1");
    const other = testSigner("P-256");
    const csr = await encodeCsr({ signer: other, commonName: thief.id });
    const claim = await controller.claim({ maxUses: 5 });
    await expectRefused(thief, claim, { code: "signature-invalid", changes: { csr } });
    const left = await controller.unchangedBy(async () => {
      expect(await thief.enrol(claim, { csr }, { key: other })).toEqual(refusal("signer-not-allowed"));
    });
    expect(left).toHaveLength(1);
  });
});

describe("a claim of one use", () => {
  it("gives one certificate when 1,000 devices use it at once", async () => {
    const claim = await controller.claim();
    const thieves = Array.from({ length: 1_000 }, (_, at) => device(`crowd-${at}`));
    await inProcess(thieves, claim);
    const { certificates, devices } = controller.running.operations;
    const issued = await Promise.all(thieves.map(({ key }) => certificatesOf(sha256Hex(key.spki))));
    expect(issued.flat()).toHaveLength(1);
    const [winner = ""] = issued.flat().map(({ device: id }) => id);
    expect((await devices.show(administrator, winner)).certificates).toHaveLength(1);
    expect((await certificates.list(administrator, { limit: 1000 })).items.length).toBeGreaterThan(0);
    expect(await usesOf(claim)).toBe(1);
  });

  it("gives one certificate when one id uses it with 100 keys at once (I5)", async () => {
    const claim = await controller.claim();
    const thieves = Array.from({ length: 100 }, () => device("many-keys-1"));
    await inProcess(thieves, claim);
    const { certificates } = await controller.running.operations.devices.show(administrator, "many-keys-1");
    expect(certificates).toHaveLength(1);
    expect(await usesOf(claim)).toBe(1);
  });
});

describe("a suspended device", () => {
  it("gets nothing by another claim, under another id, with its key or with its token (I7)", async () => {
    const [bad, partner] = [device("bad-1"), device("bad-2")];
    const joined = await bad.enrol(await controller.claim(), { tokenSerial: "token-7", protection: "token" });
    expect(joined.type).toBe("issued");
    expect(await bad.ask(bad.activatedBody())).toMatchObject({ type: "confirmed" });
    const session = await bad.operational();
    const { devices } = controller.running.operations;
    await devices.suspend(administrator, bad.id, "stolen");
    await session.closed;
    await expect(bad.operational()).rejects.toThrow("answered with 5");

    const claim = await controller.claim({ maxUses: 50 });
    await expectRefused(device(bad.id), claim, { code: "device-suspended" });
    const sameKey = Object.assign(device("bad-3"), { key: bad.key });
    await expectRefused(sameKey, claim, { code: "device-suspended" });
    await expectRefused(partner, claim, { code: "device-suspended", changes: { tokenSerial: "token-7" } });
    const again = await bad.bootstrap();
    const renewal = await bad.renewBody(testSigner("P-256"));
    await controller.unchangedBy(async () => {
      expect(await bad.askBootstrap(again, renewal)).toEqual(refusal("device-suspended"));
    });
    again.stream.destroy();

    await devices.reinstate(administrator, bad.id);
    expect(await bad.ask(renewal)).toMatchObject({ type: "issued" });
  });

  it("has no partner that renews into its token (I7)", async () => {
    const [bad, partner] = [device("bad-5"), await device("bad-6").join()];
    await bad.enrol(await controller.claim(), { tokenSerial: "token-8", protection: "token" });
    await controller.running.operations.devices.suspend(administrator, bad.id, "stolen");
    const renewal = await partner.renewBody(testSigner("P-256"), { tokenSerial: "token-8", protection: "token" });
    const stolenKey = await partner.renewBody(bad.key);
    await controller.unchangedBy(async () => {
      expect(await partner.ask(renewal)).toEqual(refusal("device-suspended"));
      expect(await partner.ask(stolenKey)).toEqual(refusal("device-suspended"));
    });
    await partner.rotate();
  });
});

/** Delivers every enrolment to intake as the broker would, all at once; sockets would only make a queue of them. */
async function inProcess(thieves: readonly AttackerDevice[], claimString: string): Promise<void> {
  const { events } = controller.running.duties;
  const claim = parseClaimString(claimString);
  const ready = await Promise.all(
    thieves.map(async (thief) => {
      const clientId = bootstrapClientId(sha256Hex(thief.key.spki));
      const { envelope } = await thief.message(await thief.enrolBody(), { changes: { sequence: undefined } });
      const peer = await events.authenticateBootstrap({
        chain: [],
        clientId,
        username: claim.claimId,
        password: Buffer.from(claim.secret.reveal(), "base64url"),
      });
      return { topic: formatTopic({ type: "bootstrap-up", clientId, kind: "enrol" }), payload: envelope, peer };
    }),
  );
  await Promise.all(ready.map((message) => events.receive(message)));
}

const certificatesOf = (spki: string) =>
  controller.running.duties.store.transaction((tx) => tx.certificates.listByKey(spki));

async function usesOf(claimString: string): Promise<number | undefined> {
  const { claimId } = parseClaimString(claimString);
  return (await controller.running.duties.store.transaction((tx) => tx.claims.find(claimId)))?.uses;
}
