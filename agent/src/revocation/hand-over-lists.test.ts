import type { BodyOf } from "@fleetcert/proto";
import { type CertificateRevocationList, FleetError, parseCrl, pemDecode } from "@fleetcert/shared";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { ManualTimer } from "../../../test/support/manual-timer.ts";
import { testNow } from "../../../test/support/pki/fleet-trust.ts";
import { RevocationWorld } from "../../../test/support/revocation/revocation-world.ts";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import type { ListOutput } from "../ports.ts";
import { ListHandOver } from "./hand-over-lists.ts";

const minute = 60_000;
let lists: CertificateRevocationList[] = [];
let world: RevocationWorld;
let stop: () => Promise<void>;
let timer: ManualTimer;
let inForce: CertificateRevocationList[] | undefined;
let events: BodyOf<"event">[];
beforeAll(async () => {
  world = await RevocationWorld.begin();
  const made = [1, 2, 3].map((number) => world.crl({ shard: 1, revoked: [number], number }));
  lists = (await Promise.all(made)).map(parseCrl);
});
beforeEach(() => {
  timer = new ManualTimer(new ManualClock(testNow));
  events = [];
  inForce = lists.slice(0, 2);
});
afterEach(() => stop());

function begin(...outputs: ListOutput[]): ListHandOver {
  const handOver = new ListHandOver({
    outputs,
    lists: () => inForce,
    news: { enqueue: async (event) => void events.push(event) },
    time: { estimate: () => ({ at: testNow, status: "anchored" }) },
    timer,
    random: new SeededRandom(3),
    log: new KeptLog(),
  });
  const end = new AbortController();
  const running = handOver.run(end.signal);
  stop = async () => {
    end.abort();
    await running;
  };
  return handOver;
}

/** An output that notes what it is given, and fails as it is told. */
class NotedOutput implements ListOutput {
  readonly name = "/etc/service/crl.pem";
  readonly given: number[][] = [];
  reloads = 0;
  failing: FleetError | undefined;

  async replace(pem: string): Promise<void> {
    this.given.push(pemDecode(pem, "X509 CRL").map((der) => Number(parseCrl(der).crlNumber)));
  }

  async reload(): Promise<void> {
    this.reloads += 1;
    if (this.failing !== undefined) throw this.failing;
  }
}

describe("handing lists over", () => {
  it("gives what is held at the start, then what changed, and nothing twice", async () => {
    const output = new NotedOutput();
    const handOver = begin(output);
    await timer.until(() => output.reloads === 1, minute);
    handOver.changed();
    await timer.advance(minute);
    inForce = lists;
    handOver.changed();
    await timer.until(() => output.reloads === 2, minute);
    expect(output.given).toEqual([
      [1, 2],
      [1, 2, 3],
    ]);
  });

  it("gives nothing while a list is missing", async () => {
    inForce = undefined;
    const output = new NotedOutput();
    begin(output);
    await timer.advance(minute);
    expect(output.given).toEqual([]);
  });

  it("tells of a failing reader once, tries again, and holds up no other", async () => {
    const [broken, sound] = [new NotedOutput(), new NotedOutput()];
    broken.failing = new FleetError("hook-failed", "no such service");
    const handOver = begin(broken, sound);
    await timer.until(() => broken.reloads >= 4, 60 * minute);
    expect(sound.reloads).toBe(1);
    expect(events).toEqual([
      {
        type: "event",
        name: "revocation-hand-over-failed",
        at: testNow,
        details: { output: "/etc/service/crl.pem", code: "hook-failed" },
      },
    ]);
    broken.failing = undefined;
    inForce = lists;
    handOver.changed();
    const before = broken.reloads;
    await timer.until(() => broken.reloads > before, minute);
    expect(broken.given.at(-1)).toEqual([1, 2, 3]);
  });
});
