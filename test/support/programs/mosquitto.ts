import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import { accepts } from "../../../scripts/demo/accepts.ts";
import { freePort } from "../../../scripts/demo/free-ports.ts";
import { programPath } from "../../../scripts/demo/host-service.ts";
import type { TlsIdentity } from "../pki/tls-identity.ts";
import type { OptionalPart } from "./optional-part.ts";

const program = programPath("mosquitto");

/** For `describeWith`. */
export const mosquittoPart: OptionalPart = {
  name: "Mosquitto",
  isPresent: program !== undefined,
  install: "sudo apt-get install mosquitto",
};

/** A running broker that takes clients with a certificate only, and their common name as user name. */
export interface Mosquitto {
  readonly port: number;
  readonly pid: number;
  readonly program: string;
  /** To start it again by hand: `program -c config`. */
  readonly config: string;
  /** What it has logged. */
  log(): string;
  stop(): Promise<void>;
}

/** Starts Mosquitto on a free port of 127.0.0.1; it is ready when this resolves. `acl` is the text of its ACL file. */
export async function startMosquitto(config: {
  readonly server: TlsIdentity;
  readonly ca: string;
  readonly acl: string;
  /** A PEM of revocation lists, read at the start and at SIGHUP. */
  readonly crlFile?: string;
}): Promise<Mosquitto> {
  if (program === undefined) throw new Error("Mosquitto is not installed: sudo apt-get install mosquitto");
  const directory = mkdtempSync(join(tmpdir(), "fleetcert-mosquitto-"));
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const port = await freePort();
  const lines = [
    `user ${userInfo().username}`,
    `listener ${port} 127.0.0.1`,
    `cafile ${file("ca.pem", config.ca)}`,
    `certfile ${file("cert.pem", config.server.cert)}`,
    `keyfile ${file("key.pem", config.server.key)}`,
    `acl_file ${file("acl", config.acl)}`,
    "require_certificate true",
    "use_identity_as_username true",
    "allow_anonymous false",
    "persistence false",
    ...(config.crlFile === undefined ? [] : [`crlfile ${config.crlFile}`]),
  ];
  const configFile = file("mosquitto.conf", `${lines.join("\n")}\n`);
  const child = spawn(program, ["-c", configFile, "-v"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr?.on("data", (chunk) => {
    log += String(chunk);
  });
  await untilListening(port, child, () => log);
  return {
    port,
    pid: child.pid as number,
    ...{ program, config: configFile },
    log: () => log,
    async stop() {
      if (child.exitCode === null) {
        child.kill();
        await once(child, "exit");
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Whether a broker takes a client with this identity. */
export function isTaken({ port }: Pick<Mosquitto, "port">, identity: TlsIdentity): Promise<boolean> {
  const options = { port, reconnectPeriod: 0, rejectUnauthorized: false, ...identity };
  return mqtt.connectAsync("mqtts://127.0.0.1", options, false).then(
    async (client) => {
      await client.endAsync();
      return true;
    },
    () => false,
  );
}

async function untilListening(port: number, child: ChildProcess, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`Mosquitto ended with ${child.exitCode}:\n${log()}`);
    if (await accepts(port)) return;
    await sleep(25);
  }
  child.kill();
  throw new Error(`Mosquitto does not listen after 5 s:\n${log()}`);
}
