import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Body, upKinds } from "@fleetcert/proto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSqliteStore } from "../../../controller/src/adapters/store/sqlite/open-store.ts";
import { verifyAudit } from "../../../controller/src/audit/verify-audit.ts";
import type { Store } from "../../../controller/src/store-port.ts";
import { arbitraryBodies } from "../../support/arbitrary-body.ts";
import {
  anEnrolledDevice,
  aWorld,
  startTestController,
  type TestController,
} from "../../support/controller/controller.ts";

const runs = process.env["FLEETCERT_LONG"] === "1" ? 3_000 : 150;
let directory: string;
let store: Store;
let controller: TestController;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetcert-bodies-"));
  store = await openSqliteStore({ path: join(directory, "store.db") });
  controller = await startTestController({ world: { ...(await aWorld()), store } });
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

/** What a device may send, well-formed and signed by its proven key, with values nobody would choose. */
const said: fc.Arbitrary<Body> = fc.oneof(
  ...(
    [
      "enrol",
      "renew",
      "activated",
      "report",
      "ack",
      "time-request",
      "event",
      "challenge-response",
      "courier-request",
      "attestation",
      "quote",
    ] as const
  ).map((type): fc.Arbitrary<Body> => arbitraryBodies[type]),
);

describe("a security event", () => {
  it("cannot pass for a notice of the controller's own", async () => {
    const device = await anEnrolledDevice(controller, "forger-1");
    const before = controller.notices.length;
    const details = { code: "internal", device: "somebody-else", notice: "clone.suspected" };
    const at = Number.MAX_SAFE_INTEGER;
    expect(await device.ask({ type: "event", name: "message.refused", at, details })).toEqual({ type: "received" });
    expect(controller.notices.slice(before)).toEqual([
      {
        name: "device.event",
        device: "forger-1",
        details: { event: "message.refused", said: JSON.stringify(details) },
      },
    ]);
  });
});

describe("anything a device with a proven key may say", () => {
  it("is carried out or refused with a code of the catalogue, never a failure of the controller", async () => {
    expect(upKinds.length).toBe(11);
    const device = await anEnrolledDevice(controller, "liar-1");
    const peer = await device.connect();
    const kinds = new Set<string>();
    await fc.assert(
      fc.asyncProperty(said, async (body) => {
        const before = controller.notices.length;
        const { kind, envelope: payload } = await device.message(body, { peer });
        await controller.events.receive({ topic: `fleetcert/1/device/liar-1/up/${kind}`, payload, peer });
        const refused = controller.notices.slice(before).filter(({ name }) => name === "message.refused");
        expect(refused.filter(({ details }) => details["code"] === "internal")).toEqual([]);
        if (refused.length === 0) kinds.add(kind);
      }),
      { numRuns: runs },
    );
    await controller.outbox.drain();
    expect([...kinds].sort()).toEqual(["event", "report", "time"]);
    expect(await verifyAudit(store)).toMatchObject({ ok: true });
    expect(controller.notices.some(({ name }) => name === "refusal.failed")).toBe(false);
    const good = await anEnrolledDevice(controller, "good-1");
    expect(await good.rotate()).toMatchObject({ type: "confirmed" });
  });
});
