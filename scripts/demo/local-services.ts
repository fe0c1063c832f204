import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-ports.ts";
import { programPath } from "./host-service.ts";
import type { Stage } from "./stage.ts";

/** A program on a device that takes clients with certificates of the fleet and reads revocations from a file. */
export interface LocalService {
  readonly name: "nginx" | "mosquitto";
  readonly port: number;
  readonly crlFile: string;
  /** Command that makes it read the file again. */
  readonly reload: string;
  /** Starts it; the file must be there. `ca` is PEM of the fleet's root. */
  start(ca: string): Promise<void>;
}

/** Prepares nginx or Mosquitto on a free port; undefined where it is not installed. */
export async function prepareService(stage: Stage, name: LocalService["name"]): Promise<LocalService | undefined> {
  const program = programPath(name);
  if (program === undefined) return undefined;
  const folder = join(stage.place.agents, `${name}-${stage.place.run}`);
  await mkdir(folder, { mode: 0o700 });
  const inFolder = (file: string): string => join(folder, file);
  const port = await freePort();
  const reload = inFolder("reload.sh");
  // Before it runs there is nothing to reload.
  await writeFile(
    reload,
    `#!/bin/sh\n[ -f ${inFolder("own.pid")} ] || exit 0\nexec kill -HUP "$(cat ${inFolder("own.pid")})"\n`,
  );
  await chmod(reload, 0o755);
  const crlFile = inFolder("crl.pem");
  return {
    ...{ name, port, crlFile, reload },
    async start(ca) {
      execFileSync("openssl", selfSigned(inFolder), { stdio: "ignore" });
      await writeFile(inFolder("ca.pem"), ca);
      await writeFile(inFolder("conf"), configOf[name]({ folder, port, crlFile }));
      const args = name === "nginx" ? ["-p", folder, "-e", "stderr", "-c", inFolder("conf")] : ["-c", inFolder("conf")];
      const child = spawn(program, args, { stdio: "ignore" });
      stage.atEnd(() => end(child));
      await writeFile(inFolder("own.pid"), String(child.pid));
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, "exit");
}

/** The service's own certificate says nothing to the demo, which only looks at what it refuses. */
function selfSigned(inFolder: (file: string) => string): string[] {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", inFolder("key.pem")];
  return ["req", "-x509", ...key, "-subj", "/CN=localhost", "-days", "2", "-out", inFolder("cert.pem")];
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly crlFile: string;
}

const configOf: Readonly<Record<LocalService["name"], (place: Place) => string>> = {
  mosquitto: ({ folder, port, crlFile }) => `user ${userInfo().username}
listener ${port} 127.0.0.1
cafile ${folder}/ca.pem
certfile ${folder}/cert.pem
keyfile ${folder}/key.pem
crlfile ${crlFile}
require_certificate true
use_identity_as_username true
allow_anonymous false
persistence false
`,
  nginx: ({ folder, port, crlFile }) => `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join("\n  ")}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${folder}/cert.pem;
    ssl_certificate_key ${folder}/key.pem;
    ssl_client_certificate ${folder}/ca.pem;
    ssl_verify_client on;
    ssl_verify_depth 2;
    ssl_crl ${crlFile};
    ssl_session_tickets off;
    ssl_session_cache off;
    keepalive_timeout 0;
    location / { return 200 "ok"; }
  }
}
`,
};
