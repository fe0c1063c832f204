import { assertNever, type Duration, encodeCsr, FleetError, isFleetError, type KeyAlgorithm } from "@fleetcert/shared";
import type { RequestAnswer } from "../credential/verify-issued.ts";
import type { AgentKeys, Log } from "../ports.ts";
import type { Effect } from "./effect.ts";
import type { Failed, RenewalEvent } from "./event.ts";
import { deviceLabelPrefix, formatKeyLabel, generationOfLabel, keyLabelPrefix } from "./key-label.ts";
import { keyStoreOf } from "./key-store.ts";
import type { CredentialRecord, KeyRecord } from "./slot-state.ts";

/** One request for the certificate of a generation. */
export type CertificateRequest = Omit<Extract<Effect, { do: "request" }>, "do">;

/**
 * The parts of a rotation that reach beyond key store and journal. Each may be asked for again after a crash; each rejects with
 * a FleetError whose code says why.
 *
 * - `install` makes the credential usable beside the current one;
 * - `prove` resolves with the grace of the old credential once the controller has confirmed the new one;
 * - `expose` shows the credential in use to people and local software;
 * - `report` only notes that a report is due.
 */
export interface RenewalActions {
  request(request: CertificateRequest, signal: AbortSignal): Promise<RequestAnswer>;
  install(next: CredentialRecord): Promise<void>;
  prove(next: CredentialRecord, signal: AbortSignal): Promise<{ readonly grace: Duration }>;
  expose(credential: CredentialRecord): Promise<void>;
  report(): void;
}

/**
 * The further steps of a slot whose credential a service of this host uses. Each may be asked for again after a crash; each rejects
 * with a FleetError whose code says why.
 *
 * - `reload` makes the service read what was installed;
 * - `verify` resolves once the service was seen to serve the credential;
 * - `restore` puts back what `install` of `next` replaced, reloads, and verifies that `previous` is served where it is known;
 * - `forget` removes what was installed with a key that is gone;
 * - `erase` removes every private key that was written out for the service, for good.
 */
interface ServiceActions {
  reload(next: CredentialRecord, signal: AbortSignal): Promise<void>;
  verify(next: CredentialRecord, signal: AbortSignal): Promise<void>;
  restore(
    from: { readonly next: CredentialRecord; readonly previous: CredentialRecord | undefined },
    signal: AbortSignal,
  ): Promise<void>;
  forget(key: KeyRecord): Promise<void>;
  erase(): Promise<void>;
}

/** What effects are performed with. */
export interface EffectTools {
  readonly device: string;
  readonly slot: string;
  /** The algorithm the slot's profile asks for now. */
  readonly algorithm: () => KeyAlgorithm;
  readonly keys: AgentKeys;
  readonly actions: RenewalActions;
  /** Undefined for the identity. */
  readonly service?: ServiceActions;
  /**
   * For the identity: the slots that erase their own keys when the device is retired. It erases all others, also of slots that are
   * in no configuration any more. Undefined for a slot that answers for itself alone.
   */
  readonly otherSlots?: readonly string[];
  readonly log: Log;
}

/** The effects that take time and may fail. */
export type Work = Exclude<Effect, { do: "sleep" | "report" }>;

/** Performs one effect and returns the event that tells its result, if the journal waits for one. Rejects when it failed. */
export async function performEffect(
  effect: Work,
  tools: EffectTools,
  signal: AbortSignal,
): Promise<RenewalEvent | undefined> {
  const { actions, keys } = tools;
  switch (effect.do) {
    case "collect":
      return collect(effect, tools);
    case "erase":
      await eraseAll(tools);
      return { type: "erased" };
    case "expose":
      await actions.expose(effect.credential);
      return undefined;
    case "generate":
      return { type: "keyReady", generation: effect.generation, key: await findOrGenerate(effect, tools) };
    case "makeCsr": {
      const csr = await encodeCsr({ signer: await keys.open(effect.key.ref), commonName: tools.device });
      return { type: "csrReady", keyId: effect.key.id, csr };
    }
    case "request":
      return request(effect, tools, signal);
    case "install":
      await actions.install(effect.next);
      return { type: "installed", keyId: effect.next.key.id, round: effect.round };
    case "reload":
      await serviceOf(tools).reload(effect.next, signal);
      return { type: "reloaded", keyId: effect.next.key.id, round: effect.round };
    case "verify":
      await serviceOf(tools).verify(effect.next, signal);
      return { type: "verified", keyId: effect.next.key.id, round: effect.round };
    case "restore":
      await serviceOf(tools).restore(effect, signal);
      return { type: "restored", keyId: effect.next.key.id, round: effect.round };
    case "prove": {
      const { grace } = await actions.prove(effect.next, signal);
      return { type: "proven", keyId: effect.next.key.id, grace };
    }
    case "destroy":
      await tools.service?.forget(effect.key);
      await keys.destroy(effect.key.ref);
      return { type: "destroyed", keyId: effect.key.id };
    default:
      return assertNever(effect);
  }
}

/** The event that tells the reducer of an effect's failure. */
export function failureOf(effect: Effect, failure: Pick<Failed, "code" | "reason" | "retryAfter">): Failed {
  return { type: "failed", doing: effect.do, keyId: keyIdOf(effect), ...failure };
}

/** Whether two effects are one and the same work. */
export function isSameWork(a: Effect, b: Effect): boolean {
  return a.do === b.do && keyIdOf(a) === keyIdOf(b);
}

async function request(
  effect: Extract<Effect, { do: "request" }>,
  { actions, log, slot }: EffectTools,
  signal: AbortSignal,
): Promise<RenewalEvent> {
  const answer = await actions.request(effect, signal);
  if (answer.type === "refused") {
    const { code, message, retryAfter } = answer;
    log.warn({ slot, code, message, retryAfter }, "certificate refused");
    return failureOf(effect, { code, reason: message, retryAfter });
  }
  const { type: _, ...issued } = answer;
  return { type: "issued", keyId: effect.key.id, issued };
}

/**
 * A key that a crash left behind under the intended label is used, and other orphans are destroyed, so that none is left over
 * (I11); so is one that was left half made.
 */
async function findOrGenerate(
  { generation, inUse, store, upTo }: Extract<Effect, { do: "generate" }>,
  { keys, device, slot, algorithm }: EffectTools,
): Promise<KeyRecord> {
  const label = formatKeyLabel({ device, slot, generation });
  const wanted = algorithm();
  const orphans = (await keys.list(keyLabelPrefix({ device, slot }))).filter(
    (key) => (generationOfLabel(key.label, { device, slot }) ?? Infinity) <= upTo && !inUse.includes(key.id),
  );
  const isThere = (ref: string) => store === undefined || keyStoreOf(ref) === store;
  let found: KeyRecord | undefined;
  for (const { ref, id, label: name, algorithm: kind } of orphans) {
    const isWanted = found === undefined && name === label && kind === wanted && isThere(ref);
    if (isWanted && (await isWhole(ref, keys))) found = { ref, id };
    else await keys.destroy(ref);
  }
  if (found !== undefined) return found;
  const { ref, id } = await keys.generate({ algorithm: wanted, label, store });
  return { ref, id };
}

async function isWhole(ref: string, keys: AgentKeys): Promise<boolean> {
  try {
    await keys.open(ref);
    return true;
  } catch (error) {
    if (isFleetError(error, "key-not-found", "key-attributes-wrong")) return false;
    throw error;
  }
}

async function collect(
  { keep, upTo }: Pick<Extract<Effect, { do: "collect" }>, "keep" | "upTo">,
  { keys, device, slot, log }: EffectTools,
): Promise<undefined> {
  for (const { ref, id, label } of await keys.list(keyLabelPrefix({ device, slot }))) {
    const generation = generationOfLabel(label, { device, slot });
    // A key above what the journal knows means that the journal went back in time: nothing is destroyed on its word.
    if (generation === undefined || generation > upTo || keep.includes(id)) continue;
    await keys.destroy(ref);
    log.info({ slot, generation, key: id }, "orphaned key destroyed");
  }
}

/** What one store or file refuses keeps no other key alive; the first failure is told once all was tried. */
async function eraseAll(tools: EffectTools): Promise<void> {
  const { keys, device, slot, otherSlots, service, log } = tools;
  const failures: unknown[] = [];
  const missing = (error: unknown) => void failures.push(error);
  await service?.erase().catch(missing);
  const theirs = (otherSlots ?? []).map((other) => keyLabelPrefix({ device, slot: other }));
  const prefix = otherSlots === undefined ? keyLabelPrefix({ device, slot }) : deviceLabelPrefix(device);
  for (const { ref, id, label } of await keys.list(prefix, { missing })) {
    if (theirs.some((their) => label.startsWith(their))) continue;
    try {
      await keys.destroy(ref);
      log.info({ slot, key: id, label }, "key erased");
    } catch (error) {
      missing(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

function serviceOf({ service, slot }: EffectTools): ServiceActions {
  if (service !== undefined) return service;
  throw new FleetError("internal", `slot ${slot} has no service`);
}

function keyIdOf(effect: Effect): string {
  if ("key" in effect) return effect.key.id;
  return "next" in effect ? effect.next.key.id : "";
}
