import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import {
  openKeyProvider,
  openPinMemoryFile,
  openTpmAttestor,
  pinSource,
  secretFile,
  type TpmAttestor,
  type TpmKeysConfig,
  tokenStore,
} from "@fleetcert/hw";
import {
  type Claim,
  FleetError,
  isFleetError,
  type OpenKeyProvider,
  packageVersion,
  parseClaimString,
  parsePcrSelections,
} from "@fleetcert/shared";
import { openLevelStore } from "../adapters/disk/level-store.ts";
import { outputDirectory } from "../adapters/disk/output-directory.ts";
import { ensureSecretFile } from "../adapters/disk/secret-file.ts";
import { openListOutput } from "../adapters/hand-over/list-output.ts";
import { openJsonLog } from "../adapters/json-log.ts";
import { MqttLink } from "../adapters/link/mqtt-link.ts";
import { systemClock, systemRandom, systemTimer } from "../adapters/system.ts";
import { zstdListPatches } from "../adapters/zstd-list-patches.ts";
import type { AgentConfig } from "../config.ts";
import { durationOf, failOpenOf, keepsLists } from "../config-values.ts";
import type { Link, Log, Surroundings } from "../ports.ts";
import { keyLabelPrefix } from "../renewal/key-label.ts";
import type { AgentIdentity, AgentParts } from "./agent-parts.ts";
import { assembleAgent, type RunningAgent } from "./assemble-agent.ts";
import { identitySlot } from "./credential-actions.ts";
import { settleIdentity } from "./identity-record.ts";
import { type KeyStoreSettings, KeyStores, keyStoreName } from "./key-stores.ts";
import { listOutputsOf, openServices } from "./open-services.ts";
import type { StatusView } from "./status-view.ts";

/** What a program that runs agents may put in place of the machine's own. */
export interface AgentSurroundings extends Partial<Surroundings> {
  /** Shared by agents of one process; stays open when an agent stops. */
  readonly keys?: OpenKeyProvider;
  /** In place of the network. */
  readonly link?: Link;
  /** Told after every durable change of the slot; must not throw. */
  readonly changed?: (status: StatusView) => void;
}

/**
 * Starts an agent on its data directory; it enrols by the claim when it has no credential yet. Several may run in one process.
 *
 * Throws `config-invalid`, `claim-malformed`, `data-directory`, `conflict` while another agent holds the directory,
 * `store-corrupt`, or what opening the key store throws.
 */
export async function startAgent(config: AgentConfig, surroundings: AgentSurroundings = {}): Promise<RunningAgent> {
  const needsNetwork = surroundings.link === undefined;
  if (needsNetwork && config.controller.host === "")
    throw new FleetError("config-invalid", "controller.host is not set");
  const store = await openLevelStore(join(config.data, "state"));
  let keys: KeyStores | undefined;
  let attestor: TpmAttestor | undefined;
  const close = async () => {
    await attestor?.close();
    if (surroundings.keys === undefined) await keys?.close();
    await store.close();
  };
  try {
    const { identity, replacedDevice } = await settleIdentity(store, {
      device: config.device,
      hostName: hostname(),
      rootFingerprint: config.rootFingerprint,
      claim: () => readClaim(config),
    });
    const log = surroundings.log ?? openJsonLog({ level: config.log.level, device: identity.device });
    keys =
      surroundings.keys === undefined
        ? await openStores(config, { store, identity, log })
        : KeyStores.of(surroundings.keys);
    attestor = await openAttestor(config);
    if (replacedDevice !== undefined) await destroyKeysOf(replacedDevice, keys);
    const parts: AgentParts = {
      identity,
      controller: config.controller,
      claim: () => readClaim(config),
      ...(await permissionOf(config, identity)),
      keys,
      home: surroundings.keys === undefined ? keyStoreName(config.keys) : undefined,
      ...(attestor && { attestor }),
      store,
      link: surroundings.link ?? new MqttLink({ patience: durationOf(config.pace.handshakePatience) }),
      files: outputDirectory(join(config.data, "certificates")),
      surroundings: {
        clock: surroundings.clock ?? systemClock,
        random: surroundings.random ?? systemRandom,
        timer: surroundings.timer ?? systemTimer,
        log,
        failpoint: surroundings.failpoint ?? (async () => undefined),
      },
      buildTime,
      agentVersion: packageVersion,
      platform: `${process.platform}-${process.arch} node-${process.versions.node}`,
      services: openServices(config),
      outputs: [...outputsOf(config), ...listOutputsOf(config)],
      patches: zstdListPatches,
      settings: settingsOf(config),
    };
    const agent = await assembleAgent(parts, surroundings.changed ?? (() => undefined));
    return closingAfter(agent, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Opens the key store a configuration names; `isAttended` when a person asked for a PIN to be tried whatever is remembered of it.
 * Throws `config-invalid`, or as the key store does.
 */
export async function openKeys(
  { data, keys }: Pick<AgentConfig, "data" | "keys">,
  { isAttended = false }: { readonly isAttended?: boolean } = {},
): Promise<OpenKeyProvider> {
  if (keys.provider === "software") {
    const passphraseFile = keys.passphraseFile || join(data, "secrets", "keystore-passphrase");
    if (keys.passphraseFile === "") await ensureSecretFile(passphraseFile);
    const passphrase = await secretFile(passphraseFile)();
    return openKeyProvider({ kind: "software", directory: join(data, "keys"), passphrase });
  }
  if (keys.provider === "tpm") {
    return openKeyProvider({ kind: "tpm", ...tpmKeysOf({ data, keys }) });
  }
  if (keys.token === "") throw new FleetError("config-invalid", "keys.token is not set, and pkcs11 needs it");
  const source = keys.pinSource || keys.pinFile;
  const beside = { modulePath: keys.module, ...(source !== "" && { pin: pinSource(source) }) };
  const pinMemory = openPinMemoryFile(join(data, "refused-pins.json"));
  return openKeyProvider({ ...tokenStore(keys.token, beside), pinMemory, isAttended });
}

/** The attestor of the TPM that holds the keys; undefined for other key stores, and where it is not to speak. */
async function openAttestor({ data, keys }: Pick<AgentConfig, "data" | "keys">): Promise<TpmAttestor | undefined> {
  if (keys.provider !== "tpm" || keys.attest === "never") return undefined;
  return await openTpmAttestor(tpmKeysOf({ data, keys }));
}

/** Settings of the TPM a configuration names. */
export function tpmKeysOf({ data, keys }: Pick<AgentConfig, "data" | "keys">): TpmKeysConfig {
  const ownerAuth = keys.ownerAuthFile === "" ? {} : { ownerAuth: secretFile(keys.ownerAuthFile) };
  const pcrs = keys.pcrs === "" ? {} : { pcrs: parsePcrSelections(keys.pcrs) };
  // Beside the files of software keys, which are of another kind: a device may have both while its keys move.
  return { tpm: keys.tpm, directory: join(data, "tpm-keys"), ...ownerAuth, ...pcrs };
}

/** Reads the claim of a configuration anew. Throws `claim-invalid` when there is none, `claim-malformed`. */
export async function readClaim({ claimFile }: Pick<AgentConfig, "claimFile">): Promise<Claim> {
  if (claimFile === "") {
    throw new FleetError("claim-invalid", "this device has not enrolled and has no claim", {
      hint: "fleetcert-agent enrol --controller HOST --claim-file FILE, or bundle export --claim-file FILE without a network",
    });
  }
  try {
    return parseClaimString(await readFile(claimFile, "utf8"));
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError("config-invalid", `the claim file ${claimFile} cannot be read`, {
      cause,
      hint: "put the line that `fleetcert claim create` printed there, readable for this user",
    });
  }
}

/**
 * What the claim file permits a device that is known already. Other claims say nothing to it, and it needs none: a file that is
 * gone or damaged keeps no enrolled device from its work.
 */
async function permissionOf(config: AgentConfig, identity: AgentIdentity): Promise<Pick<AgentParts, "permitted">> {
  const claim = await readClaim(config).catch((error: unknown) => {
    if (isFleetError(error, "claim-invalid", "claim-malformed", "config-invalid")) return undefined;
    throw error;
  });
  const { device, fleet, rootSha256 } = identity;
  const isOurs = claim?.reenrolment?.device === device && claim.fleet === fleet && claim.rootSha256 === rootSha256;
  return isOurs && claim.reenrolment !== undefined ? { permitted: claim.reenrolment.generation } : {};
}

function openStores(
  config: AgentConfig,
  { store, identity, log }: Pick<AgentParts, "store" | "identity"> & { readonly log: Log },
): Promise<KeyStores> {
  const homes = [config.keys, ...config.slots.flatMap(({ keys }) => keys ?? [])];
  const open = (keys: KeyStoreSettings) => openKeys({ data: config.data, keys });
  return KeyStores.open({ homes, state: store, device: identity.device, open, log });
}

/** Keys of a name that came to nothing. */
async function destroyKeysOf(device: string, keys: KeyStores): Promise<void> {
  for (const { ref } of await keys.list(keyLabelPrefix({ device, slot: identitySlot }))) await keys.destroy(ref);
}

function outputsOf({ data, revocation }: AgentConfig): AgentParts["outputs"] {
  return revocation.outputs.map(({ file, include, reload, restart }) =>
    openListOutput({
      file: resolve(data, file),
      include: include.map((name) => resolve(data, name)),
      ...(reload && { reload: { ...reload, timeout: durationOf(reload.timeout) } }),
      ...(restart && { restart: { ...restart, timeout: durationOf(restart.timeout) } }),
    }),
  );
}

function settingsOf({ pace, revocation, slots }: AgentConfig): AgentParts["settings"] {
  return {
    renewal: {
      backoff: { base: durationOf(pace.retryBase), cap: durationOf(pace.retryCap) },
      lookAgainAfter: durationOf(pace.lookAgainAfter),
    },
    connection: {
      backoff: { base: durationOf(pace.reconnectBase), cap: durationOf(pace.reconnectCap) },
      turnedAway: { base: durationOf(pace.turnedAwayBase), cap: durationOf(pace.turnedAwayCap) },
      provePatience: durationOf(pace.provePatience),
    },
    keepsLists: keepsLists({ revocation, slots }),
    failOpenFor: failOpenOf(revocation),
  };
}

function closingAfter(agent: RunningAgent, close: () => Promise<void>): RunningAgent {
  const ended = agent.ended.then(close, async (error: unknown) => {
    await close();
    throw error;
  });
  ended.catch(() => undefined);
  return {
    ...agent,
    ended,
    async stop() {
      await agent.stop();
      await ended.catch(() => undefined);
    },
  };
}

/** No present is earlier than the year this was written in. */
const buildTime = Date.UTC(2026, 0, 1);
