import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CredentialRecord, emptySlot, type Journal, type SlotState } from "./slot-state.ts";
import { decodeSlotState, encodeSlotState } from "./slot-state-codec.ts";

const instant = fc.maxSafeInteger();
const generation = fc.integer({ min: 1, max: 0xffff_ffff });
const octets = fc.uint8Array({ maxLength: 40 });
const key = fc.record({ ref: fc.string(), id: fc.string() });
const credential: fc.Arbitrary<CredentialRecord> = fc.record({
  generation,
  key,
  certificate: octets,
  chain: fc.array(octets, { maxLength: 3 }),
  notBefore: instant,
  notAfter: instant,
});
const journal: fc.Arbitrary<Journal> = fc.oneof(
  fc.constant({ at: "idle" as const }),
  fc.record({ at: fc.constant("retired" as const), isErased: fc.boolean() }),
  fc.record({ at: fc.constant("intended" as const), generation }),
  fc.record({ at: fc.constant("keyGenerated" as const), generation, key }),
  fc.record({ at: fc.constant("requested" as const), generation, key, csr: octets }),
  fc.record({
    at: fc.constantFrom("issued" as const, "installed" as const, "reloaded" as const, "proving" as const),
    next: credential,
  }),
  fc.record({ at: fc.constant("restoring" as const), next: credential, isGivenUp: fc.boolean() }),
  fc.record({ at: fc.constant("confirmed" as const), old: credential, grace: fc.nat(), until: instant }),
  fc.record({ at: fc.constantFrom("oldRetired" as const, "abandoned" as const), key }),
);
const window = fc.record({ generation, start: instant, end: instant });
const maybe = <T>(inner: fc.Arbitrary<T>) => fc.option(inner, { nil: undefined });
const slot: fc.Arbitrary<SlotState> = fc.record({
  current: maybe(credential),
  unproven: maybe(credential),
  journal,
  reenrolment: fc.nat(),
  window: maybe(window),
  plan: maybe(fc.record({ generation, at: instant, window: maybe(window) })),
  attempts: fc.nat(30),
  abandoned: fc.nat(30),
  rollbacks: fc.nat(30),
  rollbackCause: fc.string(),
  rollbackAt: instant,
  lastError: fc.string(),
  lastReason: fc.string(),
});

describe("the journal on the disk", () => {
  it("comes back as it was written, in every state", () => {
    fc.assert(
      fc.property(slot, (state) => {
        expect(decodeSlotState(encodeSlotState(state))).toEqual(state);
      }),
    );
  });

  it("of an agent that knew no services comes back without any rollback", () => {
    const { rollbacks: _, rollbackCause: __, rollbackAt: ___, ...older } = emptySlot;
    const bytes = new TextEncoder().encode(JSON.stringify({ version: 1, ...older }));
    expect(decodeSlotState(bytes)).toEqual(emptySlot);
  });

  it("is refused with one typed error when it is anything else", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => new TextEncoder().encode(text)),
        ),
        (bytes) => {
          expect(() => decodeSlotState(bytes)).toThrow(expect.objectContaining({ code: "store-corrupt" }));
        },
      ),
    );
  });

  it("is refused when it is cut short", () => {
    fc.assert(
      fc.property(slot, fc.nat(), (state, cut) => {
        const bytes = encodeSlotState(state);
        expect(() => decodeSlotState(bytes.subarray(0, cut % bytes.length))).toThrow(
          expect.objectContaining({ code: "store-corrupt" }),
        );
      }),
    );
  });
});
