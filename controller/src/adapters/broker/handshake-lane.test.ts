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
  it("begin a few at a time, in the order they came, each when another is over", () => {
    const { begun, enter } = aLane(2);
    const leave = [1, 2, 3, 4, 5].map(enter);
    expect(begun).toEqual([1, 2]);
    leave[1]?.();
    expect(begun).toEqual([1, 2, 3]);
    leave[0]?.();
    leave[0]?.();
    expect(begun).toEqual([1, 2, 3, 4]);
    leave[2]?.();
    leave[3]?.();
    leave[4]?.();
    expect(begun).toEqual([1, 2, 3, 4, 5]);
    enter(6);
    enter(7);
    expect(begun).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("are not begun for a client that left while it waited", () => {
    const { begun, enter } = aLane(1);
    const [first, second] = [1, 2, 3].map(enter);
    second?.();
    first?.();
    expect(begun).toEqual([1, 3]);
  });

  it("do not wait for those who are slow, and nobody counts twice", () => {
    const { begun, enter, passTime } = aLane(2);
    const leave = [1, 2, 3, 4, 5, 6, 7].map(enter);
    passTime();
    expect(begun).toEqual([1, 2, 3, 4]);
    for (const slow of leave.slice(0, 2)) slow();
    expect(begun).toEqual([1, 2, 3, 4]);
    passTime();
    expect(begun).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
