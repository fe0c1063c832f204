import { describe, expect, it } from "vitest";
import { defaultBrokerLimits } from "./broker-limits.ts";
import { addressGroup, ConnectionGate } from "./connection-gate.ts";

const gateOf = (limits: { connections?: number; connectionsPerAddress?: number; pendingPerAddress?: number }) =>
  new ConnectionGate({ ...defaultBrokerLimits, ...limits });

describe("the connection gate", () => {
  it("turns an address away that holds all its places, and no other", () => {
    const gate = gateOf({ connectionsPerAddress: 2 });
    const first = gate.enter("192.0.2.1");
    gate.enter("192.0.2.1");
    expect(gate.enter("192.0.2.1")).toBeUndefined();
    expect(gate.enter("192.0.2.2")).toBeDefined();
    first?.left();
    first?.left();
    expect(gate.enter("192.0.2.1")).toBeDefined();
    expect(gate.enter("192.0.2.1")).toBeUndefined();
  });

  it("counts as pending only who has no CONNACK yet", () => {
    const gate = gateOf({ pendingPerAddress: 1 });
    const first = gate.enter("192.0.2.1");
    expect(gate.enter("192.0.2.1")).toBeUndefined();
    first?.accepted();
    const second = gate.enter("192.0.2.1");
    expect(second).toBeDefined();
    first?.left();
    expect(gate.enter("192.0.2.1")).toBeUndefined();
  });

  it("turns everybody away when all places are taken", () => {
    const gate = gateOf({ connections: 2 });
    gate.enter("192.0.2.1");
    gate.enter("192.0.2.2");
    expect(gate.enter("192.0.2.3")).toBeUndefined();
  });

  it("takes a mapped address for the IPv4 address and an IPv6 network for one address", () => {
    expect(addressGroup("::ffff:192.0.2.1")).toBe("192.0.2.1");
    expect(addressGroup("2001:db8:1:2:aaaa::1")).toBe(addressGroup("2001:db8:1:2::ffff"));
    expect(addressGroup("2001:db8::1")).toBe("2001:db8:0:0::/64");
    expect(addressGroup("2001:db8:1:3::1")).not.toBe(addressGroup("2001:db8:1:2::1"));
    expect(addressGroup("::1")).toBe("0:0:0:0::/64");
  });
});
