import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { accepts } from "../../../scripts/demo/accepts.ts";
import { freePorts } from "../../../scripts/demo/free-ports.ts";
import { programPath } from "../../../scripts/demo/host-service.ts";
import type { TlsIdentity } from "../pki/tls-identity.ts";

/** What a mistaken administrator left out of the broker's configuration. */
export type Mistake = "none" | "identity-not-bound" | "no-certificate-needed" | "topics-not-bound";

/** Mosquitto as docs/runbooks/external-broker.md sets it up, or with one mistake. */
export interface BoundMosquitto {
  readonly port: number;
  readonly controlPort: number;
  readonly crlFile: string;
  readonly pidFile: string;
  readonly passwordFile: string;
  start(mistake?: Mistake): Promise<void>;
  stop(): Promise<void>;
  remove(): void;
}

/** Prepares a folder and ports; nothing runs yet. `ca` is PEM of the fleet's root. */
export async function prepareBoundMosquitto(parts: {
  readonly server: TlsIdentity;
  readonly ca: string;
}): Promise<BoundMosquitto> {
  const folder = mkdtempSync(join(tmpdir(), "fleetcert-external-"));
  chmodSync(folder, 0o700);
  const [port = 0, controlPort = 0] = await freePorts(2);
  const inFolder = (name: string): string => join(folder, name);
  const file = (name: string, text: string): string => {
    writeFileSync(inFolder(name), text, { mode: 0o600 });
    return inFolder(name);
  };
  const passwordFile = file("control-password", "letmecontrol\n");
  file("passwords", "fleetcert-controller:letmecontrol\n");
  execFileSync("mosquitto_passwd", ["-U", inFolder("passwords")]);
  const crlFile = inFolder("crl.pem");
  const pidFile = inFolder("mosquitto.pid");
  let child: ChildProcess | undefined;
  return {
    ...{ port, controlPort, crlFile, pidFile, passwordFile },
    async start(mistake = "none") {
      const acl =
        mistake === "topics-not-bound"
          ? "pattern readwrite #\n"
          : "pattern write fleetcert/1/device/%u/up/#\npattern read fleetcert/1/device/%u/down/#\npattern read fleetcert/1/device/%u/desired\npattern read fleetcert/1/fleet/#\n";
      const needsCertificate = mistake !== "no-certificate-needed";
      const lines = [
        "per_listener_settings true",
        `pid_file ${pidFile}`,
        `user ${userInfo().username}`,
        `listener ${port} 127.0.0.1`,
        `cafile ${file("ca.pem", parts.ca)}`,
        `certfile ${file("cert.pem", parts.server.cert)}`,
        `keyfile ${file("key.pem", parts.server.key)}`,
        `crlfile ${crlFile}`,
        `require_certificate ${needsCertificate}`,
        `use_identity_as_username ${needsCertificate}`,
        `use_username_as_clientid ${needsCertificate && mistake !== "identity-not-bound"}`,
        `allow_anonymous ${!needsCertificate}`,
        ...(needsCertificate ? [`acl_file ${file("acl", acl)}`] : []),
        `listener ${controlPort} 127.0.0.1`,
        `password_file ${inFolder("passwords")}`,
        "allow_anonymous false",
      ];
      child = spawn(programPath("mosquitto") ?? "mosquitto", ["-c", file("mosquitto.conf", `${lines.join("\n")}\n`)], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      let log = "";
      child.stderr?.on("data", (chunk) => {
        log += String(chunk);
      });
      for (let attempt = 0; !(await accepts(controlPort)) || !existsSync(pidFile); attempt++) {
        if (child.exitCode !== null || attempt > 200) throw new Error(`Mosquitto does not run:\n${log}`);
        await sleep(25);
      }
    },
    async stop() {
      if (child === undefined || child.exitCode !== null) return;
      child.kill();
      await once(child, "exit");
      rmSync(pidFile, { force: true });
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
