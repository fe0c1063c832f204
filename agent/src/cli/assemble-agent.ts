import type { DesiredState } from "@fleetcert/proto";
import { isFleetError, type ProviderKey, type Serial, sha256 } from "@fleetcert/shared";
import { QuoteAnswers } from "../attestation/answer-quote.ts";
import { ProvenTpm } from "../attestation/proven-tpm.ts";
import { Connection } from "../connection/connection.ts";
import { DesiredKeeper } from "../connection/desired-keeper.ts";
import { SequenceBlocks } from "../connection/sequence-blocks.ts";
import type { Courier } from "../courier/courier.ts";
import { inTurn } from "../pace/in-turn.ts";
import type { Incoming } from "../ports.ts";
import { rulesOf, windowOf } from "../renewal/desired-renewal.ts";
import { keyStoreOf } from "../renewal/key-store.ts";
import { RenewalRunner } from "../renewal/runner.ts";
import { isErased, type SlotState } from "../renewal/slot-state.ts";
import type { SlotFacts } from "../reporting/status-report.ts";
import type { HeldIssuer, RevocationAnswer } from "../revocation/revocation-cache.ts";
import { StandingKeeper } from "../standing/standing-keeper.ts";
import { openTimeKeeper } from "../time/time-keeper.ts";
import { openTrustKeeper } from "../trust/trust-keeper.ts";
import type { AgentParts } from "./agent-parts.ts";
import { askWhyOver } from "./ask-why.ts";
import { assembleCourier } from "./assemble-courier.ts";
import { assembleFollowers, type Followers } from "./assemble-followers.ts";
import { assembleServices, type Services } from "./assemble-services.ts";
import { identityActions, identitySlot, openCredential } from "./credential-actions.ts";
import type { KeyStores } from "./key-stores.ts";
import { requireRenewable, type WantedRenewal } from "./require-renewable.ts";
import { type StatusView, statusView } from "./status-view.ts";

/** An agent at work. */
export interface RunningAgent {
  status(): StatusView;
  /** Asks for a new generation of a slot now, `identity` when none is named; a dry run only says which. Throws as {@link requireRenewable}. */
  renew(request?: { readonly slot?: string; readonly isDryRun?: boolean }): WantedRenewal;
  /** The revocation state this device enforces. */
  readonly revocation: {
    show(): HeldIssuer[];
    check(serial: Serial, slot?: string): RevocationAnswer[];
    isRevoked(issuer: string, serial: Serial, slot?: string): RevocationAnswer;
  };
  /** The exchange with the controller by files. */
  readonly courier: Courier;
  /** Ends sessions and loops, in order; idempotent. */
  stop(): Promise<void>;
  /** Resolves after {@link RunningAgent.stop}, or once a retired device has erased the keys of every slot; rejects when the agent could not go on. */
  readonly ended: Promise<void>;
}

/** Opens what is durable and sets an agent to work. Rejects when its state cannot be read. */
export async function assembleAgent(parts: AgentParts, changed: (status: StatusView) => void): Promise<RunningAgent> {
  const { identity, store, surroundings, keys } = parts;
  const { log, clock } = surroundings;
  const stop = new AbortController();
  const time = await openTimeKeeper({ clock, state: store, buildTime: parts.buildTime, log });
  const trust = await openTrustKeeper({ state: store, pin: identity, time, log });
  const desired = await DesiredKeeper.open(store);
  // The duties know each other only through ports; whoever is made first reaches the others through these.
  const later: {
    runner?: RenewalRunner;
    followers?: Followers;
    services?: Services;
    signer?: ProviderKey;
    quotes?: QuoteAnswers;
  } = {};
  const incoming: Incoming = {
    async connected({ credential }) {
      await standing.heard({ type: "clear" });
      later.signer = credential.key;
      later.followers?.connected(credential);
      later.runner?.connected();
      later.services?.connected(credential);
    },
    anchored: () => later.runner?.anchored(),
    async fleet(topic, payload) {
      await later.followers?.fleet(topic, payload);
    },
    async desired(state) {
      followDesired(state, later.runner);
      later.services?.desired(state);
      later.followers?.changed();
    },
    async unasked({ body, kind, inReplyTo, expiresAt }) {
      const isLate = time.estimate().status === "anchored" && time.estimate().at > expiresAt;
      if (body.type === "quote-request" && later.signer !== undefined && !isLate)
        later.quotes?.answer(body, later.signer, stop.signal);
      else log.info({ kind, inReplyTo }, "late answer passed over");
    },
  };
  const isRevoked = (issuer: string, serial: Serial) =>
    later.followers?.revocation.isRevoked(issuer, serial).status === "revoked";
  const retireAll = () => {
    later.runner?.retire();
    later.services?.retire();
  };
  const { device } = identity;
  const { controller, link } = parts;
  const bootstrapTurn = inTurn();
  const sequences = await SequenceBlocks.open(store, "mqtt");
  const broker = { host: controller.brokerHost || controller.host, port: controller.port };
  const context = { device, broker, link, trust, time, sequences, desired, incoming, isRevoked, surroundings };
  const standing = await StandingKeeper.open({ state: store, clock, log, retired: () => retireAll() });
  const bootstrap = { host: controller.host, port: controller.bootstrapPort };
  const askWhy = askWhyOver({
    question: { ...identity, controller: bootstrap },
    tools: { link, trust, time, isRevoked, surroundings },
    standing,
    inTurn: bootstrapTurn,
    cleared: () => later.runner?.anchored(),
  });
  const connection = new Connection(context, parts.settings.connection, askWhy);
  const { attestor: tpm, ...others } = parts;
  const attestor = tpm && (await ProvenTpm.open(tpm, store));
  if (attestor !== undefined) later.quotes = new QuoteAnswers({ device, attestor, conversation: connection, log });
  const slotStates = (): Readonly<Record<string, SlotState>> => ({
    ...(later.runner && { [identitySlot]: later.runner.state }),
    ...later.services?.states(),
  });
  const followers = await assembleFollowers({
    ...parts,
    keepsLists: parts.settings.keepsLists,
    failOpenFor: parts.settings.failOpenFor,
    state: store,
    trust,
    time,
    topics: connection,
    conversation: connection,
    slots: () => Object.entries(slotStates()).map(([slot, state]) => slotFacts(slot, state, keys)),
    desired: () => desired.current,
    trustAccepted: () => later.services?.trustChanged(),
  });
  later.followers = followers;

  const report = () => followers.changed();
  const retired = new AbortController();
  const status = (): StatusView =>
    statusView({
      ...parts,
      connection: connection.status,
      slots: slotStates(),
      tpmIsProven: attestor?.isProven === true,
      time: { ...time.estimate(), floor: time.floor() },
      trust: trust.current(),
      desired: desired.current,
      turnedAway: standing.current,
      revocation: followers.revocation.show(),
      outbox: followers.outbox.length,
    });
  /** A retired device is quiet at once, and stops when the keys of all its slots are erased. */
  const leaveWhenRetired = (): void => {
    if (later.runner?.state.journal.at !== "retired") return;
    connection.disuse();
    retired.abort();
    if (stop.signal.aborted || !Object.values(slotStates()).every(isErased)) return;
    log.info({}, "retired: the keys are erased, nothing is left to do");
    stop.abort();
  };
  const runner = await RenewalRunner.open({
    tools: {
      device,
      slot: identitySlot,
      algorithm: () => desired.current?.slots.find(({ slot }) => slot === identitySlot)?.keyAlgorithm ?? "P-256",
      keys,
      actions: identityActions({
        ...{ ...others, trust, time, connection, isRevoked, report, standing, askWhy },
        ...(attestor && { attestor }),
        inTurn: bootstrapTurn,
      }),
      otherSlots: parts.services.map(({ slot }) => slot),
      log,
    },
    store,
    time,
    settings: { ...parts.settings.renewal, home: parts.home },
    rules: () => rulesOf(desired.current, identitySlot),
    surroundings,
    changed: () => {
      changed(status());
      leaveWhenRetired();
    },
  });
  later.runner = runner;
  const services = await assembleServices(parts, {
    ...{ trust, time, connection, report },
    desired: () => desired.current,
    changed: () => {
      changed(status());
      leaveWhenRetired();
    },
  });
  later.services = services;
  const courier = await assembleCourier({
    ...{ ...parts, trust, time, desired, incoming, connection, runner, services, followers },
  });

  if (desired.current !== undefined) followDesired(desired.current, runner);
  // The word may have reached one slot, or only the standing, before the agent ended.
  const isRetired = Object.values(slotStates()).some(({ journal }) => journal.at === "retired");
  if (isRetired || standing.current?.code === "device-retired") retireAll();
  if (runner.state.journal.at === "retired") leaveWhenRetired();
  else {
    if (parts.permitted !== undefined) runner.permit(parts.permitted);
    await useCredential(parts, { connection, runner });
  }
  const quiet = AbortSignal.any([stop.signal, retired.signal]);
  const slots = [runner, services].map((duty) => duty.run(stop.signal));
  const work = [...slots, ...[connection, followers].map((duty) => duty.run(quiet))];
  const ended = Promise.all(work).then(
    () => undefined,
    (error: unknown) => {
      stop.abort();
      throw error;
    },
  );
  return {
    status,
    revocation: followers.revocation,
    courier,
    ended,
    renew({ slot = identitySlot, isDryRun = false } = {}) {
      const wanted = requireRenewable(slotStates(), slot);
      if (!isDryRun) (services.runners.get(slot) ?? runner).want();
      return wanted;
    },
    async stop() {
      stop.abort();
      await Promise.allSettled(work);
    },
  };
}

/**
 * Connects with the credential in use, or asks for the first. Without its key the agent is of no use, unless a person permitted it
 * to enrol anew.
 */
async function useCredential(
  { keys, permitted, surroundings: { log } }: AgentParts,
  { connection, runner }: { readonly connection: Connection; readonly runner: RenewalRunner },
): Promise<void> {
  const { current, reenrolment } = runner.state;
  if (current === undefined) {
    if (permitted === undefined) runner.want();
    return;
  }
  try {
    connection.use(await openCredential(current, keys));
  } catch (error) {
    if (!isFleetError(error, "key-not-found") || (permitted === undefined && reenrolment === 0)) throw error;
    log.warn({ generation: current.generation, error }, "the key in use is gone; enrolling anew");
  }
}

function followDesired(desired: DesiredState, runner: RenewalRunner | undefined): void {
  if (desired.retire) runner?.retire();
  else runner?.assign(windowOf(desired, identitySlot));
}

function slotFacts(slot: string, state: SlotState, keys: KeyStores): SlotFacts {
  const { current, journal, lastError, lastReason, rollbacks, rollbackCause, rollbackAt } = state;
  return {
    slot,
    generation: current?.generation ?? 0,
    certificate: current && { sha256: sha256(current.certificate), notBefore: current.notBefore },
    journal: journal.at,
    protection: keys.protectionOf(current?.key.ref),
    lastError: lastError === "" ? "" : `${lastError}: ${lastReason}`,
    ...{ rollbacks, rollbackCause, rollbackAt },
    keyStore: current === undefined ? "" : keyStoreOf(current.key.ref),
  };
}
