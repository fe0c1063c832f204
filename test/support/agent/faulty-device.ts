import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { openKeyProvider } from "@fleetcert/hw";
import { FleetError, type OpenKeyProvider, type Secret } from "@fleetcert/shared";
import { systemTimer } from "../../../agent/src/adapters/system.ts";
import { openCredential } from "../../../agent/src/cli/credential-actions.ts";
import type { RenewalActions } from "../../../agent/src/renewal/perform-effect.ts";
import { RenewalRunner } from "../../../agent/src/renewal/runner.ts";
import { noRules } from "../../../agent/src/renewal/schedule.ts";
import { referencedKeys, type SlotState } from "../../../agent/src/renewal/slot-state.ts";
import { testNow } from "../pki/fleet-trust.ts";
import { SeededRandom } from "../seeded-random.ts";
import { KeptLog } from "./agent-surroundings.ts";
import { CrashingStateStore } from "./crashing-state-store.ts";

/** Opens the key store of a device anew, as a process does at its start. */
export type OpenStore = () => Promise<OpenKeyProvider>;

/**
 * A device whose keys lie in a real token that may fail: the real key provider, the real journal and its runner, signatures
 * by the old key where a request is made and by the new one, through TLS's way of signing, where it is proven.
 */
export class FaultyDevice {
  readonly name: string;
  readonly log = new KeptLog();
  /** What was not as it must be (I1). */
  readonly violations: string[] = [];
  starts = 0;
  readonly #openStore: OpenStore;
  readonly #store = new CrashingStateStore();
  #state: SlotState | undefined;
  #hadCredential = false;

  constructor(name: string, openStore: OpenStore) {
    this.name = name;
    this.#openStore = openStore;
  }

  get state(): SlotState | undefined {
    return this.#state;
  }

  /** Runs, and is started again when its key store does not open, until the generation is the current one and all is settled. */
  async reach(generation: number): Promise<void> {
    for (this.starts = 1; ; this.starts++) {
      try {
        const keys = await this.#openStore();
        try {
          return await this.#run(keys, generation);
        } finally {
          await keys.close();
        }
      } catch (error) {
        this.log.error({ error }, "the process ended");
        if (this.starts >= 5 || !(error instanceof FleetError)) throw error;
      }
    }
  }

  async #run(keys: OpenKeyProvider, generation: number): Promise<void> {
    const settled = Promise.withResolvers<void>();
    const stop = new AbortController();
    const runner = await RenewalRunner.open({
      tools: {
        ...{ device: this.name, slot: "identity", keys, log: this.log },
        algorithm: () => "P-256",
        actions: actionsWith(keys),
      },
      store: this.#store,
      time: {
        estimate: () => ({ at: testNow, status: "anchored" }),
        accept: async () => undefined,
        floor: () => 0,
      },
      rules: () => noRules,
      settings: { backoff: { base: 5, cap: 50 }, lookAgainAfter: 3_600_000 },
      surroundings: {
        ...{ log: this.log, timer: systemTimer, random: new SeededRandom(3), failpoint: async () => undefined },
        clock: { now: () => testNow, monotonic: () => 0 },
      },
      changed: (state) => {
        this.#look(state);
        if (state.journal.at === "idle" && state.current?.generation === generation) settled.resolve();
      },
    });
    const running = runner.run(stop.signal);
    if (runner.state.current === undefined) runner.want();
    else runner.assign({ generation, start: testNow, end: testNow });
    const late = systemTimer.sleep(30_000, stop.signal).then(() => {
      throw new Error(
        `${this.name} did not reach generation ${generation}: ${JSON.stringify(this.#state?.journal.at)}`,
      );
    });
    late.catch(() => undefined);
    try {
      await Promise.race([settled.promise, running, late]);
    } finally {
      stop.abort();
      await running.catch(() => undefined);
    }
  }

  #look(state: SlotState): void {
    this.#state = state;
    if (state.current !== undefined) this.#hadCredential = true;
    else if (this.#hadCredential) this.violations.push(`I1: no credential at ${state.journal.at}`);
  }
}

/** What a healthy token holds of a device after a run; faults are over. */
export async function lookAtToken(device: FaultyDevice, open: OpenStore) {
  const keys = await open();
  try {
    const held = await keys.list(`fleetcert:${device.name}:`);
    const { state } = device;
    const current = state?.current;
    const isUsable = current !== undefined && (await signs(await keys.open(current.key.ref)));
    const referenced = state === undefined ? [] : referencedKeys(state);
    const stray = held.filter(({ id }) => !referenced.includes(id));
    return { isUsable, stray: stray.length, held: held.length };
  } finally {
    await keys.close();
  }
}

/** Whether anything a device said holds its PIN. */
export function tellsPin(device: FaultyDevice, pin: Secret): boolean {
  return device.log.lines.some(({ fields }) => {
    const texts = Object.values(fields).map((field) =>
      field instanceof Error ? wholeText(field) : JSON.stringify(field),
    );
    return texts.some((text) => text?.includes(pin.reveal()));
  });
}

function wholeText(error: Error): string {
  const { cause } = error;
  return `${error.stack} ${JSON.stringify(error)} ${cause instanceof Error ? wholeText(cause) : String(cause)}`;
}

function actionsWith(keys: OpenKeyProvider): RenewalActions {
  return {
    async request({ key, asker }) {
      const signer = await keys.open((asker?.key ?? key).ref);
      await signer.sign(Buffer.from("renew"));
      const notAfter = testNow + 90 * 86_400_000;
      return {
        type: "issued",
        certificate: Uint8Array.from(Buffer.from(key.id, "hex")),
        chain: [],
        notBefore: testNow,
        notAfter,
      };
    },
    install: async (next) => void (await openCredential(next, keys)),
    async prove(next) {
      const { key } = await openCredential(next, keys);
      const signature = sign("sha256", message, createPrivateKey(key.tlsKey()));
      if (!verify("sha256", message, publicKeyOf(key.spki), signature))
        throw new FleetError("signature-invalid", "prove");
      return { grace: 0 };
    },
    expose: async () => undefined,
    report: () => undefined,
  };
}

async function signs(key: {
  readonly spki: Uint8Array;
  sign(message: Uint8Array): Promise<Uint8Array>;
}): Promise<boolean> {
  return verify("sha256", message, publicKeyOf(key.spki), await key.sign(message));
}

const publicKeyOf = (spki: Uint8Array) => createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
const message = Buffer.from("proof");

/** Opens a token by the module a test names. */
export function storeOpener(token: {
  readonly modulePath: string;
  readonly tokenLabel: string;
  readonly pin: Secret;
}): OpenStore {
  return () => openKeyProvider({ kind: "pkcs11", ...token, pin: () => token.pin });
}
