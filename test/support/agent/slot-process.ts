/**
 * A slot of a service that rotates without end, as a process that can be killed: `slot-process.ts DIRECTORY [FAILPOINT]`. Journal,
 * keys, files and the runner are the agent's own; the controller is the parent, over IPC, and the service is a file that takes over
 * what it reads at a reload.
 */
import { copyFile, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { openKeyProvider } from "@fleetcert/hw";
import type { TrustBundle } from "@fleetcert/proto";
import { FleetError, pemDecode, Secret, sha256Hex } from "@fleetcert/shared";
import { openLevelStore } from "../../../agent/src/adapters/disk/level-store.ts";
import { openFileSets } from "../../../agent/src/adapters/hand-over/file-sets.ts";
import { systemClock, systemRandom, systemTimer } from "../../../agent/src/adapters/system.ts";
import type { IssuedRecord } from "../../../agent/src/credential/verify-issued.ts";
import { deployment, type Service } from "../../../agent/src/deployment/service-actions.ts";
import { RenewalRunner } from "../../../agent/src/renewal/runner.ts";
import { noRules } from "../../../agent/src/renewal/schedule.ts";

/** What the process asks its controller; every question is answered by the same `id`. */
export type SlotQuestion = { readonly id: number } & (
  | { readonly ask: "issue"; readonly generation: number; readonly keyId: string; readonly asker: string | undefined }
  | { readonly ask: "confirm"; readonly keyId: string }
  | { readonly ask: "settled"; readonly generation: number }
);

/** Refusal codes are texts. */
export type SlotAnswer = { readonly id: number; readonly answer: IssuedRecord | { readonly grace: number } | string };

const [directory = "", failpoint] = process.argv.slice(2);
const waiting = new Map<number, (answer: SlotAnswer["answer"]) => void>();
let asked = 0;

process.on("message", ({ id, answer }: SlotAnswer) => {
  waiting.get(id)?.(answer);
  waiting.delete(id);
});
process.on("disconnect", () => process.exit());
async function main(): Promise<void> {
  const store = await openLevelStore(join(directory, "state"));
  const keys = await openKeyProvider({ kind: "software", directory: join(directory, "keys"), passphrase });
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const time = {
    estimate: () => ({ at: systemClock.now(), status: "anchored" as const }),
    accept: async () => undefined,
    floor: () => 0,
  };
  const deployed = deployment({
    slot: "web",
    files: openFileSets({ directory: join(directory, "files"), outputs }),
    service,
    serverName: "",
    settleWithin: 0,
    openKey: (ref) => keys.open(ref),
    trust: () => ({ issuers: [], roots: [] }) as unknown as TrustBundle,
    time,
    timer: systemTimer,
    log,
  });
  const runner = await RenewalRunner.open({
    tools: {
      ...{ device: "pump-1", slot: "web", keys, log, service: deployed },
      algorithm: () => "P-256",
      actions: {
        async request({ generation, key, asker }) {
          const answer = await ask({ ask: "issue", generation, keyId: key.id, asker: asker?.key.id });
          if (typeof answer === "string")
            return { type: "refused", code: answer, message: answer, hint: "", retryAfter: 0 };
          return { type: "issued", ...revived(answer as IssuedRecord) };
        },
        install: (next) => deployed.install(next),
        async prove(next) {
          const answer = await ask({ ask: "confirm", keyId: next.key.id });
          if (typeof answer === "string") throw new FleetError("denied", answer);
          return answer as { readonly grace: number };
        },
        expose: (credential) => deployed.expose(credential, new AbortController().signal),
        report: () => undefined,
      },
    },
    store,
    time,
    settings: { backoff: { base: 5, cap: 20 }, lookAgainAfter: 60_000, kind: "service" },
    rules: () => noRules,
    surroundings: {
      ...{ clock: systemClock, random: systemRandom, timer: systemTimer, log },
      failpoint: async (name) => {
        if (name === failpoint) process.kill(process.pid, "SIGKILL");
      },
    },
    changed: ({ journal, current }) => {
      if (journal.at !== "idle" || current === undefined) return;
      ask({ ask: "settled", generation: current.generation }).then(() => runner.want(), process.exit);
    },
  });
  process.send?.({ ready: true });
  if (runner.state.journal.at === "idle") setImmediate(() => runner.want());
  await runner.run(new AbortController().signal);
}

function ask(question: DistributiveOmit<SlotQuestion, "id">): Promise<SlotAnswer["answer"]> {
  asked += 1;
  const id = asked;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    process.send?.({ id, ...question });
  });
}

/** JSON turns octets into objects. */
function revived({ certificate, ...rest }: IssuedRecord): IssuedRecord {
  return { ...rest, certificate: Uint8Array.from(Object.values(certificate)) };
}

type DistributiveOmit<T, K extends keyof T> = T extends unknown ? Omit<T, K> : never;

const outputs = (["chain", "key"] as const).map((kind) => ({
  ...{ kind, owner: "", group: "", mode: 0o600, passphraseFile: "" },
  file: join(directory, "files", `${kind}.pem`),
}));

const service: Service = {
  async reload() {
    const [chain, served] = await Promise.all(
      [join(directory, "files", "chain.pem"), join(directory, "served")].map(read),
    );
    const isRefused = (await read(join(directory, "refuse"))) !== undefined && chain !== served;
    if (isRefused) throw new FleetError("hook-failed", "the service does not take it");
    await copyFile(join(directory, "files", "chain.pem"), join(directory, ".served"));
    await rename(join(directory, ".served"), join(directory, "served"));
  },
  async probe({ sha256 }) {
    const [leaf = new Uint8Array()] = pemDecode(await readFile(join(directory, "served"), "utf8"), "CERTIFICATE");
    if (sha256Hex(leaf) !== sha256) throw new FleetError("path-invalid", "something else is served");
    return undefined;
  },
};

const read = (file: string): Promise<string | undefined> => readFile(file, "utf8").catch(() => undefined);

const passphrase = Secret.of("a passphrase for tests");

await main();
