import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HandshakeLane } from "./handshake-lane.ts";

/** A lane whose time passes when the test says so. */
function aLane(atOnce: number) {
  const due: (() => void)[] = [];
  const lane = new HandshakeLane({ atOnce, holdsFor: 100 }, (act) => due.push(act));
  const begun: number[] = [];
  return {
    begun,
    enter: (name: number) => lane.enter(() => begun.push(name)),
    passTime: () => due.splice(0).map((act) => act()),
  };
}

describe("handshakes that come at once", () => {
  it("begin a few at a time, who came last first, each when another is over", () => {
    const { begun, enter } = aLane(2);
    const leave = [1, 2, 3, 4, 5].map(enter);
    expect(begun).toEqual([1, 2]);
    leave[1]?.();
    expect(begun).toEqual([1, 2, 5]);
    leave[0]?.();
    leave[0]?.();
    expect(begun).toEqual([1, 2, 5, 4]);
    leave[4]?.();
    leave[3]?.();
    leave[2]?.();
    expect(begun).toEqual([1, 2, 5, 4, 3]);
    enter(6);
    enter(7);
    expect(begun).toEqual([1, 2, 5, 4, 3, 6, 7]);
  });

  it("are not begun for a client that left while it waited", () => {
    const { begun, enter } = aLane(1);
    const [first, second, third] = [1, 2, 3, 4].map(enter);
    third?.();
    second?.();
    second?.();
    first?.();
    expect(begun).toEqual([1, 4]);
    enter(5);
    expect(begun).toEqual([1, 4]);
  });

  it("do not wait for those who are slow, and nobody counts twice", () => {
    const { begun, enter, passTime } = aLane(2);
    const leave = [1, 2, 3, 4, 5, 6, 7].map(enter);
    passTime();
    expect(begun).toEqual([1, 2, 7, 6]);
    for (const slow of leave.slice(0, 2)) slow();
    expect(begun).toEqual([1, 2, 7, 6]);
    passTime();
    expect(begun).toEqual([1, 2, 7, 6, 5, 4]);
  });

  it("are begun once each, in any order of coming and leaving, and never more than so many", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.option(fc.nat(30), { nil: undefined })),
        (atOnce, acts) => {
          const { begun, enter } = aLane(atOnce);
          const leave: (() => void)[] = [];
          const left = new Set<number>();
          for (const act of acts) {
            if (act === undefined) leave.push(enter(leave.length));
            else if (act < leave.length) {
              left.add(act);
              leave[act]?.();
            }
            const running = begun.filter((name) => !left.has(name));
            expect(running.length).toBeLessThanOrEqual(atOnce);
            const waiting = leave.length - left.size - running.length;
            if (running.length < atOnce) expect(waiting).toBe(0);
          }
          expect(new Set(begun).size).toBe(begun.length);
        },
      ),
    );
  });
});
