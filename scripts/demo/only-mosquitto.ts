import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { FleetError } from "@fleetcert/shared";
import { parseDocument } from "yaml";
import { accepts } from "./accepts.ts";
import { runChild } from "./child.ts";
import { freePorts } from "./free-ports.ts";
import { programPath } from "./host-service.ts";
import { until } from "./until.ts";
import { repository, type Workplace } from "./workplace.ts";

/** Says in the controller's configuration which broker devices connect to. */
export async function chooseBroker({ controller }: Workplace, broker: object | undefined): Promise<void> {
  const file = join(controller, "config.yaml");
  const config = parseDocument(await readFile(file, "utf8"));
  if (broker === undefined) config.delete("broker");
  else config.set("broker", config.createNode(broker));
  await writeFile(file, config.toString());
}

/** Starts a Mosquitto as the only broker of the fleet, as docs/external-broker.md says; before the controller serves. */
export async function startOnlyMosquitto(place: Workplace): Promise<{ stop(): Promise<void> }> {
  const program = programPath("mosquitto");
  if (program === undefined) {
    throw new FleetError("usage", "Mosquitto is not installed", { hint: "sudo apt-get install mosquitto" });
  }
  const [port = 0, controlPort = 0, kickPort = 0] = await freePorts(3);
  await chooseBroker(place, { kind: "external", port, controlPort, kickPort });
  const folder = join(place.controller, "broker");
  const persistence = join(place.controller, "mosquitto");
  await mkdir(persistence, { recursive: true, mode: 0o700 });
  const main = join(repository, "controller/src/main.ts");
  await runChild([main, "broker", "config", "--data", place.controller, "--persistence", persistence]);
  const configuration = join(folder, "mosquitto.conf");
  // As root it would become another user, who cannot read what lies here.
  await appendFile(configuration, `user ${userInfo().username}\n`);
  await rm(join(folder, "mosquitto.pid"), { force: true });
  const child = spawn(program, ["-c", configuration], { stdio: ["ignore", "ignore", "pipe"] });
  child.stderr.pipe(createWriteStream(join(place.logs, "mosquitto.log")));
  const endWithDemo = () => child.kill("SIGTERM");
  process.once("exit", endWithDemo);
  const isUp = await until(
    () => accepts(controlPort),
    (up) => up || child.exitCode !== null,
    { timeoutMs: 10_000 },
  );
  if (!isUp)
    throw new FleetError("internal", "Mosquitto does not run", { hint: `its log: ${place.logs}/mosquitto.log` });
  return {
    async stop() {
      process.off("exit", endWithDemo);
      await end(child);
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}
