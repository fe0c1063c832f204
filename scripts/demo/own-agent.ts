import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openKeys, type RunningAgent, readConfig, startAgent } from "@fleetcert/agent";
import { parseCertificate, pemDecode, type Serial } from "@fleetcert/shared";
import { localActor } from "./actor.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";

/** An agent in the demo's own process, with software keys, so that a scene can do with its identity what a thief would. */
export interface OwnAgent {
  readonly device: string;
  readonly agent: RunningAgent;
  readonly serial: Serial;
  /** PEM of its key and certificate, for node:tls. */
  readonly identity: { readonly key: string; readonly cert: string };
}

/**
 * Starts and enrols one more device of the run; `outputs` are lists it hands to other software of its host, `port` is its way
 * to the controller when that is not the straight one.
 */
export async function startOwnAgent(
  stage: Stage,
  name: string,
  outputs: readonly { readonly file: string; readonly reload: string }[] = [],
  port = stage.controller.endpoints.operational.port,
): Promise<OwnAgent> {
  const { controller, place } = stage;
  const device = `${name}-${place.run}`;
  const data = join(place.agents, device);
  await mkdir(data, { mode: 0o700 });
  const claimFile = join(data, "claim");
  const asked = { maxUses: 1, validFor: 3_600_000, allowedDevices: [device] };
  const { claimString } = await controller.operations.claims.create(localActor, asked);
  await writeFile(claimFile, `${claimString}\n`, { mode: 0o600 });
  const { bootstrap } = controller.endpoints;
  const text = JSON.stringify({
    device,
    controller: { host: "127.0.0.1", port, bootstrapPort: bootstrap.port },
    claimFile,
    keys: { provider: "software" },
    pace: { reconnectCap: "2s", turnedAwayBase: "1s", turnedAwayCap: "5s", retryCap: "5s" },
    revocation: { outputs: outputs.map(({ file, reload }) => ({ file, reload: { command: [reload] } })) },
  });
  // JSON is YAML too.
  const config = { ...readConfig({ file: { name: "config.yaml", text } }), data };
  const keys = await openKeys(config);
  const agent = await startAgent(config, { keys, log: silent });
  stage.atEnd(async () => {
    await agent.stop();
    await keys.close();
  });
  await until(
    async () => agent.status(),
    ({ slots: [identity], connection }) =>
      identity?.journal === "idle" && identity.certificate !== undefined && connection?.state === "connected",
    { timeoutMs: 60_000 },
  );
  const file = join(data, "certificates", "identity.pem");
  // People's copy of the certificate is written after the journal.
  await until(
    async () => existsSync(file),
    (isThere) => isThere,
    { timeoutMs: 10_000 },
  );
  const cert = await readFile(file, "utf8");
  const [leaf] = pemDecode(cert, "CERTIFICATE");
  if (leaf === undefined) throw new Error(`${device} has no certificate`);
  const { serial, spki } = parseCertificate(leaf);
  for (const { ref } of await keys.list("")) {
    const key = await keys.open(ref);
    if (Buffer.compare(key.spki, spki) === 0) return { device, agent, serial, identity: { key: key.tlsKey(), cert } };
  }
  throw new Error(`${device} has no key for its certificate`);
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
