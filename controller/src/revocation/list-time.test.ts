import { parseCrl } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anEnrolledDevice, startTestController } from "../../../test/support/controller/controller.ts";
import { listsOf } from "../../../test/support/revocation/stored-lists.ts";
import { listThisUpdate } from "./list-time.ts";

const now = Date.UTC(2026, 10, 20, 12, 0, 0, 345);

describe("thisUpdate of a list", () => {
  it("is backdated by an hour, in whole seconds", () => {
    expect(listThisUpdate({ now, before: undefined })).toBe(Date.UTC(2026, 10, 20, 11));
  });

  it("always grows by a second at least, and is never ahead of the clock", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 4000 }), { minLength: 1, maxLength: 200 }), (pauses) => {
        let before: number | undefined;
        let at = now;
        for (const pause of pauses) {
          at += pause;
          const made = listThisUpdate({ now: at, before });
          expect(made % 1000).toBe(0);
          expect(made).toBeLessThanOrEqual(at);
          if (before !== undefined) expect(made).toBeGreaterThanOrEqual(before + 1000);
          before = made;
        }
      }),
    );
  });

  it("differs between lists published within one second", async () => {
    const controller = await startTestController();
    for (let index = 0; index < 3; index++) {
      await anEnrolledDevice(controller, `edge-${index}`);
      await controller.revocation.revoke("local", { device: `edge-${index}`, reason: "keyCompromise" });
    }
    const lists = await controller.store.transaction((tx) => listsOf(tx, controller.revocation.issuer, 0));
    const times = lists.slice(0, 3).map(({ der }) => parseCrl(der).thisUpdate);
    expect(new Set(times).size).toBe(3);
    expect(times.toSorted((a, b) => b - a)).toEqual(times);
  });
});
