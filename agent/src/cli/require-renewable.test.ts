import { describe, expect, it } from "vitest";
import { emptySlot, type SlotState } from "../renewal/slot-state.ts";
import { requireRenewable } from "./require-renewable.ts";

const key = { id: "ab", ref: "software:ab" };
const held = { generation: 4, key, certificate: new Uint8Array(), chain: [], notBefore: 0, notAfter: 1 };
const idle: SlotState = { ...emptySlot, current: held };
const states = { identity: idle, web: idle };

describe("a renewal that a person asks for", () => {
  it("brings the next generation of the slot that is named", () => {
    expect(requireRenewable(states, "web")).toEqual({ slot: "web", generation: 5 });
    expect(requireRenewable({ identity: emptySlot }, "identity")).toEqual({ slot: "identity", generation: 1 });
  });

  it.each(["mail", "constructor", ""])(
    "of the unknown slot %j is refused with the names of those there are",
    (slot) => {
      expect(() => requireRenewable(states, slot)).toThrow(
        expect.objectContaining({ code: "not-found", hint: expect.stringContaining("it has identity, web;") }),
      );
    },
  );

  it("is refused while one is under way that may still succeed, and not when its service keeps going back", () => {
    const issued: SlotState = { ...idle, journal: { at: "issued", next: { ...held, generation: 5 } } };
    expect(() => requireRenewable({ web: issued }, "web")).toThrow(expect.objectContaining({ code: "conflict" }));
    expect(requireRenewable({ web: { ...issued, rollbacks: 1 } }, "web")).toEqual({ slot: "web", generation: 5 });
    const restoring: SlotState["journal"] = { at: "restoring", next: { ...held, generation: 5 }, isGivenUp: false };
    const goingBack = { ...idle, journal: restoring, rollbacks: 1 };
    expect(requireRenewable({ web: goingBack }, "web")).toEqual({ slot: "web", generation: 5 });
  });

  it("is refused while the old key has its grace, with what is waited for", () => {
    const inGrace: SlotState = { ...idle, journal: { at: "confirmed", old: held, grace: 1, until: 1 } };
    expect(() => requireRenewable({ web: inGrace }, "web")).toThrow(
      expect.objectContaining({ code: "conflict", hint: expect.stringContaining("grace is over") }),
    );
  });

  it("is refused for a device that is retired", () => {
    const retired: SlotState = { ...emptySlot, journal: { at: "retired", isErased: true } };
    expect(() => requireRenewable({ identity: retired }, "identity")).toThrow(
      expect.objectContaining({ code: "device-retired" }),
    );
  });
});
