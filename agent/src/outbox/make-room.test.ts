import { describe, expect, it } from "vitest";
import { anAck, anEvent, aReport } from "../../../test/support/agent/outbox-bodies.ts";
import { makeRoom, type OutboxBody, type OutboxEntry, overflowName } from "./make-room.ts";

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

  it("is refused to an ack when only its like waits: nothing taken is dropped", () => {
    const entries = [entry(anEvent("a")), entry(anAck(5))];
    expect(() => room(entries, anAck(4), { maxEntries: 2 })).toThrow(expect.objectContaining({ code: "rate-limited" }));
  });

  it("is always there for the news that an event happened: those that find none are counted by name in one entry", () => {
    const full = [entry(anEvent("a")), entry(anAck(5)), entry(aReport(1))];
    const bounds = { maxEntries: 2 };
    const first = room(full, anEvent("b", { door: "1" }), bounds);
    expect(first.remove).toEqual([full[2]]);
    expect(first.place).toEqual({ body: anEvent(overflowName, { b: "1" }), instead: undefined });
    const kept = entry(first.place?.body as OutboxBody);
    const held = [...full.slice(0, 2), kept];
    expect(room(held, anEvent("b", { door: "2" }), bounds).place).toEqual({
      body: anEvent(overflowName, { b: "2" }),
      instead: kept,
    });
    expect(room(held, anEvent("c"), bounds).place?.body).toMatchObject({ details: { b: "1", c: "1" } });
    // One that is being sent is not changed: its answer would take more with it than was told.
    expect(room(held, anEvent("b", { door: "2" }), bounds, [kept.key]).place).toEqual({
      body: anEvent(overflowName, { b: "1" }),
      instead: undefined,
    });
  });

  it("has names for as many kinds of events as a message holds, and counts the rest together", () => {
    const names = Object.fromEntries(Array.from({ length: 31 }, (_, index) => [`e${index}`, "1"]));
    const kept = entry(anEvent(overflowName, names));
    const more = room([kept], anEvent("another"), { maxEntries: 1 }).place?.body;
    expect(more).toMatchObject({ details: { ...names, other: "1" } });
    const again = room([entry(more as OutboxBody)], anEvent("a third"), { maxEntries: 1 }).place?.body;
    expect(again).toMatchObject({ details: { ...names, other: "2" } });
  });

  it("counts bytes as well as entries", () => {
    const entries = [entry(anEvent("a"), 900)];
    expect(room(entries, anEvent("b"), { maxBytes: 1000 }).place?.body).toMatchObject({ name: overflowName });
    expect(room(entries, anEvent("b"), { maxBytes: 1100 }).place?.body).toEqual(anEvent("b"));
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
