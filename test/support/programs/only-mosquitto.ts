import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { accepts } from "../../../scripts/demo/accepts.ts";
import { freePorts } from "../../../scripts/demo/free-ports.ts";
import { programPath } from "../../../scripts/demo/host-service.ts";
import { commandsOf, execute } from "./runbook.ts";

/** A Mosquitto that is the only broker of a fleet, set up by `fleetcert broker config`. */
export interface OnlyMosquitto {
  /** For config.yaml. */
  readonly settings: { readonly broker: Readonly<Record<string, unknown>> };
  readonly port: number;
  /** Has the files made in a data directory; nothing runs yet. */
  prepare(data: string): Promise<void>;
  /** Where they lie. */
  file(name: string): string;
  /** Starts it, `changed` by whoever thinks he knows better than the configuration that was made. */
  start(changed?: (configuration: string) => string): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** What it has logged since it was started last. */
  log(): string;
  forgetRetained(): void;
}

/** Chooses ports; `broker` of config.yaml is that of docs/external-broker.md beside them and what is given. */
export async function onlyMosquitto(broker: Readonly<Record<string, unknown>> = {}): Promise<OnlyMosquitto> {
  const [port = 0, controlPort = 0, kickPort = 0] = await freePorts(3);
  let directory = "";
  let child: ChildProcess | undefined;
  let log = "";
  const file = (name: string): string => join(directory, name);
  return {
    ...{ port, file, settings: { broker: { ...(await documented()), port, controlPort, kickPort, ...broker } } },
    async prepare(data) {
      directory = join(data, "broker");
      const [command = ""] = await commandsOf(page);
      const made = await execute(command, { DATA: data, PERSISTENCE: join(data, "mosquitto") });
      if (made.code !== 0 || !existsSync(file("mosquitto.conf"))) throw new Error(`${command}: ${made.stderr}`);
      mkdirSync(join(data, "mosquitto"), { mode: 0o700 });
      // As root it would become another user, who cannot read what lies in a test's folder.
      appendFileSync(file("mosquitto.conf"), `user ${userInfo().username}\n`);
    },
    async start(changed = (text) => text) {
      const made = readFileSync(file("mosquitto.conf"), "utf8");
      const used = file("used.conf");
      rmSync(used, { force: true });
      appendFileSync(used, changed(made));
      const running = spawn(programPath("mosquitto") ?? "mosquitto", ["-c", used], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      child = running;
      log = "";
      running.stderr.on("data", (chunk) => {
        log += String(chunk);
      });
      for (let attempt = 0; !(await accepts(controlPort)) || !existsSync(file("mosquitto.pid")); attempt++) {
        if (running.exitCode !== null || attempt > 200) throw new Error(`Mosquitto does not run:\n${log}`);
        await sleep(25);
      }
    },
    async stop(signal = "SIGTERM") {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, "exit");
      rmSync(file("mosquitto.pid"), { force: true });
    },
    log: () => log,
    forgetRetained: () => rmSync(join(directory, "..", "mosquitto", "mosquitto.db"), { force: true }),
  };
}

/** `broker` as the page tells people to write it. */
async function documented(): Promise<Readonly<Record<string, unknown>>> {
  const text = await readFile(join(import.meta.dirname, "../../../docs/external-broker.md"), "utf8");
  const [, yaml = ""] = /```yaml\n(.*?)```/s.exec(text) ?? [];
  return (parse(yaml) as { readonly broker: Readonly<Record<string, unknown>> }).broker;
}

/** Beside the runbooks. */
const page = "../external-broker";
