import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-ports.ts";
import { servedSha256 } from "./steady-load.ts";
import { until } from "./until.ts";

/** A real TLS server of this host whose certificate an agent keeps. */
export interface HostService {
  readonly port: number;
  /** Where it reads its certificate and key; before the agent came, a self-signed pair lies there. */
  readonly files: string;
  /** SHA-256 of the certificate it began with. */
  readonly originalSha256: string;
  /** Settings of the agent's slot for it. */
  readonly slot: Readonly<Record<string, unknown>>;
  /** Makes the next reload fail, or puts that right. */
  breakReload(isBroken: boolean): Promise<void>;
  stop(): Promise<void>;
}

/** Whether a program of this name is on this host. */
export function programPath(name: "nginx" | "mosquitto"): string | undefined {
  return ["/usr/sbin", "/usr/bin", "/usr/local/sbin"]
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** Starts nginx with a self-signed certificate. The agent makes it reload with `nginx -s reload`, which reads the configuration first. */
export async function startNginxService(folder: string, slot: string): Promise<HostService> {
  const files = await beginFiles(folder);
  const port = await freePort();
  const config = join(folder, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const text = `daemon off;
worker_processes 2;
pid ${folder}/pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${files}/chain.pem;
    ssl_certificate_key ${files}/key.pem;
    ssl_session_tickets off;
    location / { return 200 "ok"; }
  }
}
`;
  const breakReload = (isBroken: boolean) => writeFile(config, isBroken ? `${text}\nno such directive;\n` : text);
  await breakReload(false);
  const program = programPath("nginx") ?? "nginx";
  const args = ["-p", folder, "-e", join(folder, "error.log"), "-c", config];
  const child = spawn(program, args, { stdio: "ignore" });
  return started({
    ...{ child, port, files, breakReload, slot },
    reload: { command: [program, ...args, "-s", "reload"], timeout: "10s" },
  });
}

/** Starts Mosquitto with a self-signed certificate; it reads its files again at SIGHUP. */
export async function startMosquittoService(folder: string, slot: string): Promise<HostService> {
  const files = await beginFiles(folder);
  const port = await freePort();
  const config = join(folder, "mosquitto.conf");
  const lines = [
    `user ${userInfo().username}`,
    `pid_file ${folder}/pid`,
    `listener ${port} 127.0.0.1`,
    `certfile ${files}/chain.pem`,
    `keyfile ${files}/key.pem`,
    "allow_anonymous true",
    "persistence false",
    `log_dest file ${folder}/mosquitto.log`,
  ];
  await writeFile(config, `${lines.join("\n")}\n`);
  const child = spawn(programPath("mosquitto") ?? "mosquitto", ["-c", config], { stdio: "ignore" });
  const pidFile = join(folder, "pid");
  await until(async () => existsSync(pidFile), Boolean, { timeoutMs: 10_000 });
  // It takes its files whatever else is wrong with its configuration; so the way to tell it is broken.
  const breakReload = (isBroken: boolean) => writeFile(pidFile, isBroken ? "gone" : String(child.pid));
  return started({ ...{ child, port, files, breakReload, slot }, reload: { signal: "SIGHUP", pidFile } });
}

async function started(service: {
  readonly child: ChildProcess;
  readonly port: number;
  readonly files: string;
  readonly slot: string;
  readonly reload: object;
  readonly breakReload: (isBroken: boolean) => Promise<void>;
}): Promise<HostService> {
  const { child, port, files, slot, reload, breakReload } = service;
  const look = () => servedSha256(port).catch(() => undefined);
  const original = await until(look, (sha256) => sha256 !== undefined || child.exitCode !== null, {
    timeoutMs: 15_000,
  });
  if (original === undefined) throw new Error(`the service on port ${port} does not serve`);
  return {
    port,
    files,
    originalSha256: original,
    breakReload,
    slot: {
      name: slot,
      directory: files,
      outputs: [
        { kind: "chain", file: "chain.pem" },
        { kind: "key", file: "key.pem" },
        { kind: "trust", file: "trust.pem" },
      ],
      reload,
      verify: { port, serverName: "localhost", settleWithin: "5s" },
    },
    async stop() {
      if (child.exitCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

async function beginFiles(folder: string): Promise<string> {
  const files = join(folder, "tls");
  await mkdir(files, { recursive: true });
  const [key, chain] = [join(files, "key.pem"), join(files, "chain.pem")];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const request = ["req", "-x509", ...kind, "-keyout", key, "-out", chain, "-subj", "/CN=before", "-days", "2"];
  execFileSync("openssl", request, { stdio: "ignore" });
  return files;
}
