import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pemDecode } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLevelStore } from "../../agent/src/adapters/disk/level-store.ts";
import { serviceFailpoints } from "../../agent/src/failpoints.ts";
import { slotKey } from "../../agent/src/renewal/runner.ts";
import { emptySlot, referencedKeys, type SlotState } from "../../agent/src/renewal/slot-state.ts";
import { decodeSlotState } from "../../agent/src/renewal/slot-state-codec.ts";
import { readTwin } from "../../agent/src/twin/twin-record.ts";
import type { SlotAnswer, SlotQuestion } from "../support/agent/slot-process.ts";
import { RenewalController } from "../support/renewal/renewal-controller.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const isLong = process.env["FLEETCERT_LONG"] === "1";
const devices = isLong ? 200 : 20;
const killsEach = 25;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fc-slot-kill-"));
});
afterAll(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));

/** One device: a disk, a controller that outlives it, and processes that are killed on it. */
class Device {
  readonly controller = new RenewalController(0);
  readonly #folder: string;
  /** Generation a process said to be at rest with. */
  settled = 0;

  constructor(name: string) {
    this.#folder = join(directory, name);
  }

  /** Starts a process and resolves once its journal is open. */
  async start(failpoint?: string): Promise<ChildProcess> {
    const args = [this.#folder, ...(failpoint === undefined ? [] : [failpoint])];
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const child = fork(program, args, {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      env,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const ready = new Promise<void>((resolve) => {
      child.on("message", (message: SlotQuestion | { readonly ready: true }) => {
        if ("ready" in message) resolve();
        else
          child.connected &&
            child.send({ id: message.id, answer: this.#answer(message) } satisfies SlotAnswer, () => undefined);
      });
    });
    await Promise.race([ready, once(child, "exit")]);
    return child;
  }

  /** The service does not take what is new to it, or does again. */
  async refuseNew(isRefused: boolean): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    if (isRefused) await writeFile(join(this.#folder, "refuse"), "");
    else await rm(join(this.#folder, "refuse"), { force: true });
  }

  #answer(question: SlotQuestion): SlotAnswer["answer"] {
    switch (question.ask) {
      case "issue":
        return this.controller.issue(question, Date.now());
      case "confirm":
        return this.controller.confirm(question.keyId);
      case "settled":
        this.settled = Math.max(this.settled, question.generation);
        return "";
    }
  }

  /** What is wrong with the disk of a process that is dead. */
  async faults(): Promise<string[]> {
    const state = await this.#journal();
    const keys = (await readdir(join(this.#folder, "keys")).catch(() => [])).flatMap(
      (name) => /^[0-9a-f]{64}/.exec(name)?.[0] ?? [],
    );
    const faults = [...this.controller.violations];
    const stray = keys.filter((id) => !referencedKeys(state).includes(id));
    if (stray.length > 1) faults.push(`I11: ${stray.length} keys that nobody refers to`);
    if (this.controller.provenGeneration === 0) return faults;
    const held = [state.current, state.unproven, "next" in state.journal ? state.journal.next : undefined];
    const usable = held.filter((one) => one !== undefined && keys.includes(one.key.id) && this.#isProven(one.key.id));
    if (usable.length === 0) faults.push(`I1: no usable credential at ${state.journal.at}`);
    for (const file of ["served", "files/chain.pem"]) {
      const text = await readFile(join(this.#folder, file), "utf8").catch(() => "");
      const [leaf = new Uint8Array()] = pemDecode(text, "CERTIFICATE");
      const keyId = Buffer.from(leaf).toString("latin1");
      if (!keys.includes(keyId)) faults.push(`I1: the key of ${file} is gone at ${state.journal.at}`);
    }
    return faults;
  }

  async #journal(): Promise<SlotState> {
    const store = await openLevelStore(join(this.#folder, "state"));
    try {
      const bytes = await readTwin(store, slotKey("web"));
      return bytes === undefined ? emptySlot : decodeSlotState(bytes);
    } finally {
      await store.close();
    }
  }

  #isProven(keyId: string): boolean {
    return this.controller.find(keyId)?.state === "proven";
  }
}

describe("processes with a service's slot, killed", () => {
  const seed = Number(process.env["FLEETCERT_SEED"] ?? Math.floor(Math.random() * 2 ** 30));

  it(
    `at any moment and at every failpoint, ${devices * killsEach} times, lose nothing (I1, I4, I5, I11, I12)`,
    async () => {
      const counts = { kills: 0, atFailpoint: 0, generations: 0 };
      const live = async (index: number): Promise<void> => {
        const random = new SeededRandom(seed + index);
        const device = new Device(`device-${index}`);
        for (let kill = 0; kill < killsEach; kill += 1) {
          await device.refuseNew(random.chance(0.25));
          const failpoint = random.chance(0.5) ? random.pick(serviceFailpoints) : undefined;
          const child = await device.start(failpoint);
          const late = sleep(failpoint === undefined ? random.below(120) : 500, "late", { ref: false });
          const isOver = child.exitCode !== null || child.signalCode !== null;
          const ended = isOver ? Promise.resolve("dead") : once(child, "exit").then(() => "dead");
          if ((await Promise.race([ended, late])) === "late") child.kill("SIGKILL");
          else counts.atFailpoint += 1;
          await ended;
          expect(child.signalCode).toBe("SIGKILL");
          counts.kills += 1;
          expect(await device.faults(), `seed ${seed}, device ${index}, kill ${kill}`).toEqual([]);
        }
        await expectProgress(device);
        counts.generations += device.settled;
      };
      const queue = Array.from({ length: devices }, (_, index) => index);
      const worker = async () => {
        for (let index = queue.shift(); index !== undefined; index = queue.shift()) await live(index);
      };
      await Promise.all([worker(), worker(), worker()]);
      process.stdout.write(
        `process crash sweep: seed ${seed}, ${counts.kills} processes killed, ${counts.atFailpoint} of them at failpoints, ${counts.generations} generations, violations 0\n`,
      );
      expect(counts.kills).toBe(devices * killsEach);
      expect(counts.generations).toBeGreaterThan(devices);
    },
    isLong ? 7_200_000 : 900_000,
  );

  async function expectProgress(device: Device): Promise<void> {
    await device.refuseNew(false);
    const child = await device.start();
    const target = device.settled + 2;
    for (let wait = 0; wait < 1_200 && device.settled < target; wait += 1) await sleep(50);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(device.settled).toBeGreaterThanOrEqual(target);
    expect(await device.faults()).toEqual([]);
  }
});

const program = join(import.meta.dirname, "../support/agent/slot-process.ts");
/** Processes start in half the time when their code need not be compiled again. */
const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "fleetcert-test-compile-cache") };
