import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type CertificateRevocationList, parseCertificate, parseCrl, type Serial } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { administrator, type RealController, realController } from "../support/controller/real-controller.ts";

/** A backup of store.db alone; the anchor, the archived lists and the keys stay what they are. */
describe("a controller whose older store.db was put back", () => {
  let controller: RealController;
  const file = (name: string) => join(controller.data, name);
  beforeAll(async () => {
    controller = await realController();
  }, 60_000);
  afterAll(() => controller?.close());

  async function served(): Promise<CertificateRevocationList> {
    const { endpoints, running } = controller;
    const url = `http://127.0.0.1:${endpoints.http.port}/crl/${running.issuerId}/0.crl`;
    return parseCrl(new Uint8Array(await (await fetch(url)).arrayBuffer()));
  }

  /** The serial of a certificate that nobody uses. */
  async function spareSerial(): Promise<Serial> {
    const { store } = controller.running.duties;
    const note = await store.transaction((tx) => tx.settings.find("listener/api"));
    const { sha256 } = JSON.parse(note ?? "{}") as { readonly sha256: string };
    const found = await store.transaction((tx) => tx.certificates.find(sha256));
    return parseCertificate(found?.der ?? new Uint8Array()).serial;
  }

  it("numbers its lists on past what it forgot, and lists again what it had revoked", async () => {
    await controller.restart(() => copyFile(file("store.db"), file("store.backup")));
    const serial = await spareSerial();
    const { revocations } = controller.running.operations;
    await revocations.revoke(administrator, { serial: serial.hex, reason: "superseded" });
    const before = await served();
    expect(before.find(serial)).toBeDefined();

    await controller.restart(async () => {
      for (const name of ["store.db-wal", "store.db-shm"]) await rm(file(name), { force: true });
      await copyFile(file("store.backup"), file("store.db"));
    });
    const after = await served();
    expect(after.crlNumber).toBeGreaterThan(before.crlNumber ?? 0n);
    expect(after.thisUpdate).toBeGreaterThanOrEqual(before.thisUpdate);
    expect(after.find(serial)).toMatchObject({ reason: "superseded" });
    const actions = await controller.running.duties.store.transaction(async (tx) =>
      (await tx.audit.list(1, 1000)).map(({ action }) => action),
    );
    expect(actions).toEqual(expect.arrayContaining(["epoch.skipped", "revocation.recovered"]));
  });

  it("refuses to start without its anchor, and goes on when it is back", async () => {
    const { crlNumber } = await served();
    await controller
      .restart(async () => {
        await copyFile(file("anchor.json"), file("anchor.kept"));
        await rm(file("anchor.json"));
      })
      .then(
        () => expect.unreachable("it started without an anchor"),
        (error: unknown) => expect(error).toMatchObject({ code: "data-directory" }),
      );
    await controller.restart(() => copyFile(file("anchor.kept"), file("anchor.json")));
    expect((await served()).crlNumber).toBeGreaterThanOrEqual(crlNumber ?? 0n);
  });
});
