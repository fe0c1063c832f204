import { rm } from "node:fs/promises";
import { FleetError, sha256Hex } from "@fleetcert/shared";
import type { Operations } from "../../access/operations.ts";
import { operationsOf } from "../../access/operations-of-duties.ts";
import { openAnchorFile } from "../../adapters/files/anchor-file.ts";
import { openDataDirectory, readText } from "../../adapters/files/data-directory.ts";
import { readEndorsements } from "../../adapters/files/endorsements.ts";
import { openListArchive } from "../../adapters/files/list-archive.ts";
import { readBundles, writeBundle } from "../../adapters/files/pki-files.ts";
import { writeDurably } from "../../adapters/files/write-durably.ts";
import type { ApiServer } from "../../adapters/http/api-server.ts";
import { openPublicServer, type Readiness } from "../../adapters/http/public-server.ts";
import { openMetrics } from "../../adapters/metrics/metrics.ts";
import { openSqliteStore } from "../../adapters/store/sqlite/open-store.ts";
import { systemClock, systemRandom } from "../../adapters/system/system-surroundings.ts";
import { type AuditEventName, appendAudit } from "../../audit/append-audit.ts";
import { verifyAudit } from "../../audit/verify-audit.ts";
import { parseConfig, parseProfiles } from "../../config.ts";
import type { Broker, Failpoint } from "../../ports.ts";
import type { Store } from "../../store-port.ts";
import type { ListenerCredential, OwnCertificate } from "../../trust/listener-certificates.ts";
import type { Expiry } from "../../trust/trust.ts";
import { openBesideBrokers } from "./beside-brokers.ts";
import { noticesOf, openLog } from "./controller-log.ts";
import { type ControllerState, collectSamples, readiness } from "./controller-state.ts";
import { crlBaseOf } from "./crl-base.ts";
import { openDeviceBroker } from "./device-broker.ts";
import { allFollowers, type ExternalBrokers } from "./external-brokers.ts";
import { followCrlBase } from "./follow-crl-base.ts";
import { maintain, type OwnListener } from "./maintenance.ts";
import { openApi, pemCredential } from "./open-api.ts";
import { openKeys } from "./open-keys.ts";
import { type OwnResponder, openOwnResponder, ownCertificates } from "./own-responder.ts";
import { type Rounds, startRounds } from "./rounds.ts";
import { ServedLists } from "./served-lists.ts";
import { type Duties, wireDuties } from "./wire-duties.ts";

/** How a controller is started. */
export interface StartOptions {
  readonly data: string;
  /** A pino level for the log on standard error; `info` by default. */
  readonly logLevel?: string;
  /** Kills nothing by default; see failpoints.ts. */
  readonly failpoint?: Failpoint;
}

/** Where a running controller is reached; also in run/endpoints.json. */
export interface Endpoints {
  readonly operational: { readonly host: string; readonly port: number };
  readonly bootstrap: { readonly host: string; readonly port: number };
  readonly http: { readonly host: string; readonly port: number };
  readonly api: { readonly host: string; readonly port: number };
  readonly adminSocket: string;
}

/** A controller that serves. */
export interface RunningController {
  readonly endpoints: Endpoints;
  readonly fleet: string;
  /** SHA-256 of the root certificate, lower-case hex. */
  readonly rootSha256: string;
  /** DER. */
  readonly root: Uint8Array;
  readonly issuerId: string;
  readonly operations: Operations;
  readonly duties: Duties;
  /** Ends sessions and requests, hands over what is ready, closes the store. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a controller from its data directory: recovers what a crash left, renews its own certificates, publishes what is
 * due, then opens the listeners. Throws `data-directory`, `config-invalid`, `conflict` (already running), and what the
 * store or key store throw; then nothing stays open.
 */
export async function startController(options: StartOptions): Promise<RunningController> {
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    return await start(options, closers, closeAll);
  } catch (error) {
    await closeAll();
    throw asListenError(error);
  }
}

async function start(
  options: StartOptions,
  closers: (() => Promise<void>)[],
  closeAll: () => Promise<void>,
): Promise<RunningController> {
  const clock = systemClock;
  const paths = await openDataDirectory(options.data);
  const config = parseConfig(await readText(paths.config), paths.config);
  const profiles = parseProfiles(await readText(paths.profiles), paths.profiles);
  const log = openLog(options.logLevel ?? "info");
  const store = await openSqliteStore({ path: paths.store, create: "never" });
  closers.push(() => store.close());
  // Only whoever holds the store's lock may say that nobody is reached there.
  await rm(paths.endpoints, { force: true });
  closers.push(() => rm(paths.endpoints, { force: true }));
  const { keys, authority, root } = await openKeys(paths, config.keys);
  closers.push(() => keys.close());

  const late: {
    lists?: ServedLists;
    ocsp?: OwnResponder | undefined;
    state?: ControllerState;
    broker?: Broker;
    followers?: ExternalBrokers | undefined;
    rounds?: Rounds;
  } = {};
  const metrics = openMetrics(async () => (late.state === undefined ? [] : await collectSamples(late.state)));
  const { http } = config.listeners;
  const publicServer = await openPublicServer({
    ...http,
    now: () => clock.now(),
    onInternalError: (error) => log.error({ error: String(error) }, "http request failed"),
    sources: {
      crl: async (issuer, shard) => late.lists?.crl(issuer, shard),
      delta: async (issuer, shard) => late.lists?.delta(issuer, shard),
      rootCrl: async (root) => late.lists?.root(root),
      authority: (id) => late.state?.duties.issuers.all().find((one) => one.id === id)?.certificate,
      ...(config.revocation.ocsp && { ocsp: async (request) => await late.ocsp?.answer(request) }),
      readiness: async () => (late.state === undefined ? starting : await readiness(late.state)),
      metrics: () => metrics.expose(),
    },
  });
  closers.push(() => publicServer.close());

  const notices = noticesOf(log, metrics);
  const crlBase = crlBaseOf(config, publicServer.port);
  const duties = await wireDuties({
    ...{ config, profiles, store, keys, authority },
    endorsements: await readEndorsements(paths.root, config.attestation),
    surroundings: {
      clock,
      random: systemRandom,
      notices,
      failpoint: options.failpoint ?? (async () => undefined),
    },
    anchor: await openAnchorFile(paths.anchor),
    archive: openListArchive(paths.crl),
    bundles: await readBundles(paths),
    saveBundle: (version, envelope) => writeBundle(paths, version, envelope),
    broker: () => late.broker,
    followers: () => late.followers,
    crlBase,
    coverageGrew: () => late.rounds?.want(),
  });
  const note = noteOf(duties.store, config.fleet);
  let aborted = 0;
  for (const { id } of duties.issuers.all()) aborted += (await duties.issuanceOf(id).recover()).aborted;
  await duties.revocation.recover();
  await duties.revocation.endRemaining([...duties.trust.distrusted().keys()]);
  if (aborted > 0) await note("controller.recovered", { aborted: String(aborted) });

  const own = new Map<string, ListenerCredential>();
  for (const wanted of ownCertificates(config)) {
    const { name } = wanted;
    const { credential, isNew } = await duties.listeners.ensure(wanted);
    own.set(name, credential);
    if (isNew) await note("listener.renewed", { listener: name });
  }
  late.ocsp = openOwnResponder(config, { duties, own });
  for (const listener of (await late.ocsp?.keepCredentials()) ?? []) await note("listener.renewed", { listener });
  await duties.revocation.publishIfDue({ isStarting: true });
  await followCrlBase(duties, crlBase);
  late.lists = new ServedLists(duties);
  const deviceBroker = await openDeviceBroker({
    ...{ config, data: paths.root, keys, duties, clock, notices, log },
    credential: own.get("broker") as ListenerCredential,
  });
  const { broker } = deviceBroker;
  closers.push(() => broker.close());
  late.broker = broker;
  late.state = { duties, clock, ownExpiries: async () => expiriesOf(own), brokerTrouble: deviceBroker.trouble };
  await duties.trust.announce();
  await duties.revocation.announce();
  await duties.outbox.drain();
  late.followers = allFollowers([
    deviceBroker.followers,
    await openBesideBrokers({ config, duties, keys, notices, log }),
  ]);

  const operations = operationsOf({
    ...{ ...duties, clock, random: systemRandom, ownExpiries: late.state.ownExpiries },
    verifyAudit: () => verifyAudit(duties.store),
  });
  const { https, socket } = await openApi({
    listen: config.listeners.api,
    adminSocket: paths.adminSocket,
    credential: own.get("api") as ListenerCredential,
    ...{ store: duties.store, issuers: duties.issuers, operations, log },
  });
  closers.push(async () => {
    await https.close();
    await socket.close();
  });

  const listeners = ownListeners({ own, wanted: ownCertificates(config), broker, https });
  late.rounds = startRounds(
    () => maintain({ duties, clock, listeners, ocsp: late.ocsp, followers: late.followers, deviceBroker, log }),
    { everyMs: roundMs },
  );
  closers.push(late.rounds.stop);

  const endpoints: Endpoints = {
    ...deviceBroker.endpoints,
    http: { host: http.host, port: publicServer.port },
    api: { host: config.listeners.api.host, port: https.port },
    adminSocket: paths.adminSocket,
  };
  await writeDurably(paths.endpoints, `${JSON.stringify({ ...endpoints, pid: process.pid }, undefined, 2)}\n`);
  await note("controller.started", {});
  log.info({ endpoints }, "controller started");
  let stopping: Promise<void> | undefined;
  return {
    ...{ endpoints, operations, duties, root },
    fleet: config.fleet,
    rootSha256: sha256Hex(root),
    issuerId: duties.issuers.present().id,
    stop() {
      stopping ??= note("controller.stopped", {})
        .then(closeAll)
        .then(() => log.info({}, "controller stopped"));
      return stopping;
    },
  };
}

/** An address that cannot be listened on is the configuration's fault; everything else stays what it is. */
function asListenError(error: unknown): unknown {
  const { syscall, code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (syscall !== "listen" || error instanceof FleetError) return error;
  return new FleetError("config-invalid", `${address ?? ""}:${port ?? ""} cannot be listened on: ${code}`, {
    hint: "stop what uses the address, or change listeners in config.yaml",
    cause: error,
  });
}

/** What takes the renewed certificates of the controller's own listeners, and of its responder; sessions stay. */
function ownListeners(parts: {
  readonly own: Map<string, ListenerCredential>;
  readonly wanted: readonly OwnCertificate[];
  readonly broker: Broker;
  readonly https: ApiServer;
}): OwnListener[] {
  const { own, wanted, broker, https } = parts;
  const replacers: Readonly<Record<string, (credential: ListenerCredential) => Promise<void>>> = {
    broker: (credential: ListenerCredential) => broker.replaceCertificate(credential),
    api: async (credential: ListenerCredential) => https.replaceCertificate(pemCredential(credential)),
  };
  return wanted.map((certificate) => ({
    ...certificate,
    async replace(credential) {
      await replacers[certificate.name]?.(credential);
      own.set(certificate.name, credential);
    },
  }));
}

function expiriesOf(own: ReadonlyMap<string, ListenerCredential>): Expiry[] {
  return [...own.values()].map(({ name, notAfter }) => ({ what: `listener ${name}`, notAfter, renewedByItself: true }));
}

function noteOf(store: Store, fleet: string) {
  return async (action: AuditEventName, details: Readonly<Record<string, string>>): Promise<void> => {
    const entry = {
      at: systemClock.now(),
      actor: "controller",
      action,
      target: fleet,
      outcome: "success" as const,
      details,
    };
    await store.transaction((tx) => appendAudit(tx, entry));
  };
}

const starting: Readiness = { ready: false, reasons: ["starting"], expiries: [] };
/** How often maintenance looks whether something is due. */
const roundMs = 5_000;
