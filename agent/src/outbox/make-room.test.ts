import { describe, expect, it } from "vitest";
import { anAck, anEvent, aReport } from "../../../test/support/outbox-bodies.ts";
import { makeRoom, type OutboxBody, type OutboxEntry } from "./make-room.ts";

describe("room in the outbox", () => {
  it("is made for the newest report by the older one", () => {
    const entries = [entry(aReport(1)), entry(anEvent("a"))];
    expect(room(entries, aReport(2))).toEqual({
      remove: [entries[0]],
      place: { body: aReport(2), instead: undefined },
    });
  });

  it("is not made for a report by anything else: it is left out", () => {
    const entries = [entry(anEvent("a")), entry(anAck(1))];
    expect(room(entries, aReport(2), { maxEntries: 2 })).toEqual({ remove: [], place: undefined });
  });

  it("is made for events and acks by reports", () => {
    const entries = [entry(aReport(1)), entry(anEvent("a"))];
    for (const body of [anEvent("b"), anAck(1)]) {
      expect(room(entries, body, { maxEntries: 2 }).remove).toEqual([entries[0]]);
    }
  });

  it("is made by superseded acks of the same issuer, only when there is no other way", () => {
    const other = anAck(1, "cd".repeat(32));
    const entries = [entry(anAck(1)), entry(anAck(2)), entry(other), entry(aReport(1))];
    expect(room(entries, anAck(3)).remove).toEqual([]);
    expect(room(entries, anAck(3), { maxEntries: 3 }).remove).toEqual([entries[3], entries[0], entries[1]]);
  });

  it("is refused to events and acks when only their like waits: nothing taken is dropped", () => {
    const entries = [entry(anEvent("a")), entry(anAck(5))];
    for (const body of [anEvent("b"), anAck(4)]) {
      expect(() => room(entries, body, { maxEntries: 2 })).toThrow(expect.objectContaining({ code: "rate-limited" }));
    }
  });

  it("counts bytes as well as entries", () => {
    const entries = [entry(anEvent("a"), 900)];
    expect(() => room(entries, anEvent("b"), { maxBytes: 1000 })).toThrow(
      expect.objectContaining({ code: "rate-limited" }),
    );
    expect(room(entries, anEvent("b"), { maxBytes: 1100 }).place).toBeDefined();
  });

  it("is not needed for an ack that waits already", () => {
    expect(room([entry(anAck(1))], anAck(1))).toEqual({ remove: [], place: undefined });
  });

  it("is shared by equal events, which are counted, but not with one that is being sent", () => {
    const first = entry(anEvent("a", { issuer: "x" }));
    const second = room([first], anEvent("a", { issuer: "x" })).place;
    expect(second).toEqual({ body: anEvent("a", { issuer: "x", count: "2" }), instead: first });
    const third = room([entry(second?.body as OutboxBody)], anEvent("a", { issuer: "x" })).place;
    expect(third?.body).toMatchObject({ details: { count: "3" } });
    expect(room([first], anEvent("a", { issuer: "y" })).place?.instead).toBeUndefined();
    expect(room([first], anEvent("a", { issuer: "x" }), {}, [first.key]).place?.instead).toBeUndefined();
  });

  it("is not shared when a count would be one detail more than a message holds", () => {
    const details = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`d${index}`, "x"]));
    expect(room([entry(anEvent("a", details))], anEvent("a", details)).place?.instead).toBeUndefined();
  });
});

let made = 0;

function entry(body: OutboxBody, bytes = 100): OutboxEntry {
  return { key: `outbox/${made++}`, body, bytes };
}

function room(
  entries: readonly OutboxEntry[],
  body: OutboxBody,
  bounds: { maxEntries?: number; maxBytes?: number } = {},
  busy: readonly string[] = [],
) {
  return makeRoom(entries, body, {
    bounds: { maxEntries: 100, maxBytes: 10_000, ...bounds },
    busy: new Set(busy),
    sizeOf: () => 200,
  });
}
