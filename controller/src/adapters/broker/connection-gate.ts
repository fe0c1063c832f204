import type { BrokerLimits } from "./broker-limits.ts";

/** The place one TCP connection takes. */
export interface Place {
  /** The client got its CONNACK: it no longer counts as pending. */
  accepted(): void;
  /** The connection is gone. Both may be called more than once. */
  left(): void;
}

/** Counts connections, in total and for each address, so that no one address can take all places. */
export class ConnectionGate {
  readonly #limits: BrokerLimits;
  readonly #byAddress = new Map<string, { all: number; pending: number }>();
  #all = 0;

  constructor(limits: BrokerLimits) {
    this.#limits = limits;
  }

  /** A place, or undefined when the limits leave none. */
  enter(address: string): Place | undefined {
    const key = addressGroup(address);
    const counts = this.#byAddress.get(key) ?? { all: 0, pending: 0 };
    const { connections, connectionsPerAddress, pendingPerAddress } = this.#limits;
    if (this.#all >= connections || counts.all >= connectionsPerAddress || counts.pending >= pendingPerAddress) {
      return undefined;
    }
    this.#byAddress.set(key, counts);
    this.#all++;
    counts.all++;
    counts.pending++;
    let isPending = true;
    let isIn = true;
    const accepted = (): void => {
      if (isPending) counts.pending--;
      isPending = false;
    };
    return {
      accepted,
      left: () => {
        accepted();
        if (!isIn) return;
        isIn = false;
        this.#all--;
        counts.all--;
        if (counts.all === 0) this.#byAddress.delete(key);
      },
    };
  }
}

/** What counts as one address: an IPv4 address also when it comes mapped, and the /64 network of an IPv6 address. */
export function addressGroup(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  const [before = "", after] = address.split("::");
  const head = before.split(":").filter((part) => part !== "");
  const tail = (after ?? "").split(":").filter((part) => part !== "");
  const zeros =
    after === undefined ? [] : Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => "0");
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(":")}::/64`;
}
