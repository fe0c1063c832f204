import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { programPath } from "../../../scripts/demo/host-service.ts";
import type { TlsIdentity } from "../pki/tls-identity.ts";
import type { OptionalPart } from "./optional-part.ts";

const program = programPath("nginx");

/** For `describeWith`. */
export const nginxPart: OptionalPart = {
  name: "nginx",
  isPresent: program !== undefined,
  install: "sudo apt-get install nginx-light",
};

/** A running nginx that answers 200 to clients with a certificate it accepts, 400 to others. */
export interface Nginx {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts nginx on a port of 127.0.0.1; SIGHUP to its process makes it read its files again. */
export async function startNginx(config: {
  readonly port: number;
  readonly server: TlsIdentity;
  /** PEM of what clients chain to. */
  readonly ca: string;
  readonly crlFile: string;
}): Promise<Nginx> {
  if (program === undefined) throw new Error("nginx is not installed: sudo apt-get install nginx-light");
  const directory = mkdtempSync(join(tmpdir(), "fleetcert-nginx-"));
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const text = `daemon off;
worker_processes 1;
pid ${directory}/pid;
error_log stderr;
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${directory}/${name};`).join("\n  ")}
  server {
    listen 127.0.0.1:${config.port} ssl;
    ssl_certificate ${file("cert.pem", config.server.cert)};
    ssl_certificate_key ${file("key.pem", config.server.key)};
    ssl_client_certificate ${file("ca.pem", config.ca)};
    ssl_verify_client on;
    ssl_verify_depth 2;
    ssl_crl ${config.crlFile};
    ssl_session_tickets off;
    ssl_session_cache off;
    keepalive_timeout 0;
    location / { return 200 "ok"; }
  }
}
`;
  const child = spawn(program, ["-p", directory, "-e", "stderr", "-c", file("nginx.conf", text)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk) => {
    log += String(chunk);
  });
  for (let attempt = 0; !existsSync(join(directory, "pid")); attempt++) {
    if (child.exitCode !== null || attempt > 200) throw new Error(`nginx did not start:\n${log}`);
    await sleep(25);
  }
  return {
    port: config.port,
    pid: child.pid as number,
    async stop() {
      if (child.exitCode === null) {
        child.kill();
        await once(child, "exit");
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The status a client with this identity is answered with. */
export function statusFor({ port }: Pick<Nginx, "port">, identity: TlsIdentity): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = { host: "127.0.0.1", port, agent: false, rejectUnauthorized: false, ...identity };
    get(asked, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on("error", reject);
  });
}
