import { FleetError } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { memoryKeyProvider } from "../../../test/support/keys/memory-key-provider.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { ManualTimer } from "../../../test/support/manual-timer.ts";
import { testNow } from "../../../test/support/pki/fleet-trust.ts";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import { failpoints } from "../failpoints.ts";
import type { RenewalActions } from "./perform-effect.ts";
import { RenewalRunner } from "./runner.ts";
import { noRules } from "./schedule.ts";
import type { SlotState } from "./slot-state.ts";

const day = 86_400_000;
const minute = 60_000;

/** A device whose processes can be killed at a failpoint and started again on the same disk and token. */
class Device {
  readonly keys = memoryKeyProvider();
  readonly clock = new ManualClock(testNow);
  readonly timer = new ManualTimer(this.clock);
  readonly log = new KeptLog();
  readonly visited: string[] = [];
  readonly proven: string[] = [];
  store = new CrashingStateStore();
  /** Answers of the controller; a test replaces what it is about. */
  actions: Partial<RenewalActions> = {};
  state: SlotState | undefined;

  /** Runs until the state is so, or the process dies. */
  async run(isSo: (state: SlotState) => boolean, killAt?: string): Promise<"settled" | "killed"> {
    const died = Promise.withResolvers<never>();
    died.promise.catch(() => undefined);
    const runner = await RenewalRunner.open({
      tools: {
        device: "pump-1",
        slot: "identity",
        algorithm: () => "P-256",
        keys: this.keys,
        actions: this.#actions(),
        log: this.log,
      },
      store: this.store,
      time: {
        estimate: () => ({ at: this.clock.now(), status: "anchored" }),
        accept: async () => undefined,
        floor: () => 0,
      },
      settings: { backoff: { base: 5_000, cap: 15 * minute }, lookAgainAfter: 60 * minute },
      rules: () => noRules,
      surroundings: {
        clock: this.clock,
        timer: this.timer,
        log: this.log,
        random: new SeededRandom(9),
        failpoint: async (name) => {
          this.visited.push(name);
          if (name !== killAt) return;
          this.store = this.store.restart();
          died.reject(new Error("killed"));
          await new Promise(() => undefined);
        },
      },
      changed: (state) => {
        this.state = state;
      },
    });
    this.state = runner.state;
    const stop = new AbortController();
    const running = runner.run(stop.signal);
    running.catch(() => undefined);
    if (runner.state.current === undefined) runner.want();
    else if (runner.state.current.generation === 1) {
      runner.assign({ generation: 2, start: testNow, end: testNow });
    }
    let isDead = false;
    died.promise.catch(() => {
      isDead = true;
    });
    await this.timer.until(() => isDead || isSo(this.state ?? runner.state), 60 * minute);
    if (isDead) return "killed";
    stop.abort();
    await running;
    return "settled";
  }

  #actions(): RenewalActions {
    return {
      request: async ({ key }) => ({
        type: "issued",
        certificate: Uint8Array.from(Buffer.from(key.id, "hex")),
        chain: [],
        notBefore: testNow,
        notAfter: testNow + 90 * day,
      }),
      install: async () => undefined,
      prove: async ({ key }) => {
        this.proven.push(key.id);
        return { grace: 1_000 };
      },
      expose: async () => undefined,
      report: () => undefined,
      ...this.actions,
    };
  }
}

const isSettled = (generation: number) => (state: SlotState) =>
  state.journal.at === "idle" && state.current?.generation === generation;

describe("the runner", () => {
  it("passes every failpoint of the registry in a life of two generations", async () => {
    const device = new Device();
    await device.run(isSettled(1));
    await device.run(isSettled(2));
    expect(new Set(device.visited)).toEqual(new Set(failpoints));
  });

  it.each(failpoints)("I1, I11: goes on after a power cut at %s, with one key and no orphan", async (failpoint) => {
    const device = new Device();
    const first = await device.run(isSettled(1), failpoint);
    const isAnySettled = (state: SlotState) => isSettled(1)(state) || isSettled(2)(state);
    if (first === "killed") await device.run(isAnySettled);
    if (first === "settled") expect(await device.run(isSettled(2), failpoint)).toBe("killed");
    await device.run(isSettled(2));
    const keys = await device.keys.list("fleetcert:");
    expect(keys.map(({ id }) => id)).toEqual([device.state?.current?.key.id]);
    expect(device.state?.current?.certificate).toEqual(Uint8Array.from(Buffer.from(keys[0]?.id ?? "", "hex")));
  });

  it("ends when the state cannot be written, and goes on from the disk when it is opened again", async () => {
    const device = new Device();
    device.store.cutPower({ inWrites: 3, afterDisk: false });
    await expect(device.run(isSettled(1))).rejects.toThrow("did not come to be");
    device.store = device.store.restart();
    expect(await device.run(isSettled(1))).toBe("settled");
    expect(await device.keys.list("fleetcert:")).toHaveLength(1);
  });

  it("uses a key that a crash left behind, of the right algorithm only, and leaves foreign keys alone", async () => {
    const device = new Device();
    await device.keys.generate({ algorithm: "RSA-2048", label: "fleetcert:pump-1:identity:1" });
    const left = await device.keys.generate({ algorithm: "P-256", label: "fleetcert:pump-1:identity:1" });
    const foreign = await device.keys.generate({ algorithm: "P-256", label: "fleetcert:pump-10:identity:1" });
    await device.run(isSettled(1));
    expect(device.state?.current?.key.id).toBe(left.id);
    await device.run(isSettled(2));
    const ids = (await device.keys.list("fleetcert:")).map(({ id }) => id);
    expect(ids).toEqual([foreign.id, device.state?.current?.key.id]);
  });

  it("destroys no key above what its journal knows: the journal may have gone back in time", async () => {
    const device = new Device();
    await device.run(isSettled(1));
    const ahead = await device.keys.generate({ algorithm: "P-256", label: "fleetcert:pump-1:identity:9" });
    await device.run(isSettled(2));
    expect((await device.keys.list("fleetcert:")).map(({ id }) => id)).toContain(ahead.id);
  });

  it("says what failed and tries again", async () => {
    const device = new Device();
    let tries = 0;
    device.actions = {
      install: async () => {
        tries += 1;
        if (tries < 3) throw new FleetError("token-error", "CKR_DEVICE_ERROR");
      },
    };
    await device.run(({ lastError }) => lastError !== "");
    expect(device.state).toMatchObject({ lastError: "token-error", lastReason: "CKR_DEVICE_ERROR", attempts: 1 });
    await device.run(isSettled(1));
    expect(tries).toBe(3);
    expect(device.state?.lastError).toBe("");
  });

  it("refuses to start on a damaged journal", async () => {
    const device = new Device();
    await device.store.write([
      { put: "slot/identity/a", value: Uint8Array.of(1) },
      { put: "slot/identity/b", value: Uint8Array.of(2) },
    ]);
    await expect(device.run(() => true)).rejects.toMatchObject({ code: "store-corrupt" });
  });
});
