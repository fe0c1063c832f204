import type { TrustBundle } from "@fleetcert/proto";
import { type Duration, FleetError, isFleetError, type ProviderKey } from "@fleetcert/shared";
import type { Log, TimeKeeper, Timer } from "../ports.ts";
import type { CredentialRecord, KeyRecord } from "../renewal/slot-state.ts";
import { requireServed } from "./require-served.ts";

/** What the files of one set are made of. */
export interface Material {
  readonly credential: CredentialRecord;
  readonly key: ProviderKey;
  readonly trust: TrustBundle;
}

/**
 * The files a service reads, switched from set to set.
 *
 * - `install` makes a set of the material the one in force, all files at once, also across a power cut; the set before is kept.
 *   The same again is fine, and changes nothing. Returns whether the files are others than before.
 * - `restore` makes the set with a key the one in force again; undefined means the files from before there was a set. Returns false,
 *   and changes nothing, when there is no such set.
 * - `forget` removes sets with a key, but the one in force;
 * - `erase` removes every private key that was ever written here, and none that was there before the first set.
 *
 * All reject with `data-directory` when files cannot be written, or as the key does.
 */
export interface FileSets {
  install(material: Material): Promise<boolean>;
  restore(key: KeyRecord | undefined): Promise<boolean>;
  forget(key: KeyRecord): Promise<void>;
  erase(): Promise<void>;
}

/**
 * The service that reads the files. `reload` makes it read them; `probe` resolves with the raw DER chain it presents, leaf first, or
 * with undefined when a command looked instead. Both are bounded in time and reject with `hook-failed`, `timeout` or `offline`.
 */
export interface Service {
  reload(signal: AbortSignal): Promise<void>;
  probe(expected: { readonly sha256: string }, signal: AbortSignal): Promise<readonly Uint8Array[] | undefined>;
}

/** What the credential of a service's slot is deployed with. */
export interface DeploymentParts {
  readonly slot: string;
  readonly files: FileSets;
  readonly service: Service;
  /** Name the service's certificate must carry; empty is not looked at. */
  readonly serverName: string;
  /** How long the service may take until it serves what it read. */
  readonly settleWithin: Duration;
  readonly openKey: (ref: string) => Promise<ProviderKey>;
  readonly trust: () => TrustBundle | undefined;
  readonly time: Pick<TimeKeeper, "estimate">;
  readonly timer: Timer;
  readonly log: Log;
}

/** How a credential comes into a service of this host, is seen there, and is taken back. */
export interface Deployment {
  install(next: CredentialRecord): Promise<void>;
  reload(next: CredentialRecord, signal: AbortSignal): Promise<void>;
  verify(next: CredentialRecord, signal: AbortSignal): Promise<void>;
  restore(
    from: { readonly next: CredentialRecord; readonly previous: CredentialRecord | undefined },
    signal: AbortSignal,
  ): Promise<void>;
  forget(key: KeyRecord): Promise<void>;
  /** Removes the private keys that were written out for the service. */
  erase(): Promise<void>;
  /** Puts the files of the credential in use right when they are others, and makes the service read them. */
  expose(credential: CredentialRecord, signal: AbortSignal): Promise<void>;
}

/** The deployment of one slot. */
export function deployment(parts: DeploymentParts): Deployment {
  const { files, service, slot, log } = parts;
  return {
    async install(next) {
      await files.install(await materialOf(next, parts));
    },
    async reload(next, signal) {
      await service.reload(signal);
      log.info({ slot, generation: next.generation }, "service reloaded");
    },
    verify: (next, signal) => untilServed(next, parts, { isInForce: true, signal }),
    async restore({ next, previous }, signal) {
      const isKept = await files.restore(previous?.key);
      // Nothing was served before: what is there stays for the next try.
      if (!isKept && previous === undefined) return;
      if (!isKept && previous !== undefined) await files.install(await materialOf(previous, parts));
      await service.reload(signal);
      // What was served before there was an agent is not ours to judge; a credential of ours may have expired meanwhile.
      if (previous !== undefined) await untilServed(previous, parts, { isInForce: false, signal });
      log.warn({ slot, from: next.generation, to: previous?.generation ?? 0 }, "service rolled back");
    },
    forget: (key) => files.forget(key),
    erase: () => files.erase(),
    async expose(credential, signal) {
      const hasChanged = await files.install(await materialOf(credential, parts));
      if (hasChanged) await service.reload(signal);
    },
  };
}

async function materialOf(credential: CredentialRecord, { openKey, trust }: DeploymentParts): Promise<Material> {
  const bundle = trust();
  if (bundle === undefined) throw new FleetError("trust-invalid", "there is no trust bundle");
  return { credential, key: await openKey(credential.key.ref), trust: bundle };
}

/** A reload may return before its effect is seen: the service is asked until it serves the certificate, or its time is over. */
async function untilServed(
  credential: CredentialRecord,
  parts: DeploymentParts,
  { isInForce, signal }: { readonly isInForce: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const tries = Math.max(1, Math.ceil(parts.settleWithin / pause));
  for (let tried = 1; ; tried += 1) {
    try {
      await requireServed(credential, parts, { isInForce, signal });
      return;
    } catch (error) {
      if (signal.aborted || tried >= tries || !isFleetError(error)) throw error;
      await parts.timer.sleep(pause, signal);
    }
  }
}

const pause: Duration = 250;
