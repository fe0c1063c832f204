import type { Clock } from "@fleetcert/shared";
import type { ListenerCredential, OwnCertificate } from "../../trust/listener-certificates.ts";
import type { ControllerLog } from "./controller-log.ts";
import type { DeviceBroker } from "./device-broker.ts";
import type { ExternalBrokers } from "./external-brokers.ts";
import type { OwnResponder } from "./own-responder.ts";
import type { Duties } from "./wire-duties.ts";

/** A listener of this controller, and what takes its new certificate. */
export interface OwnListener extends OwnCertificate {
  replace(credential: ListenerCredential): Promise<void>;
}

/**
 * One round of what `serve` does by itself: carry staged plans and rollouts on, publish what is due, renew listener certificates without dropping
 * sessions, note certificates that nobody proves, destroy command keys that have ended, take expired certificates out of the counters, forget old
 * answers, hand over what the outbox still holds. A part that
 * fails is logged and tried again in the next round; the others go on.
 */
export async function maintain(parts: {
  readonly duties: Duties;
  readonly clock: Clock;
  readonly listeners: readonly OwnListener[];
  readonly ocsp?: OwnResponder | undefined;
  readonly followers?: ExternalBrokers | undefined;
  readonly deviceBroker?: Pick<DeviceBroker, "keepFiles">;
  readonly log: ControllerLog;
}): Promise<void> {
  const { duties, clock, listeners, ocsp, followers, deviceBroker, log } = parts;
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log.error({ what, error: String(error) }, "maintenance failed");
    }
  };
  await attempt("carry plans on", () => duties.approval.advance());
  await attempt("publish revocation", () => duties.revocation.publishIfDue());
  await attempt("hand lists over", async () => followers?.catchUp());
  await attempt("keep the files of the external broker", async () => deviceBroker?.keepFiles());
  for (const listener of listeners) {
    await attempt(`renew ${listener.name}`, async () => {
      const { credential, isNew } = await duties.listeners.ensure(listener);
      if (!isNew) return;
      await listener.replace(credential);
      log.info({ listener: listener.name, notAfter: credential.notAfter }, "listener certificate renewed");
    });
  }
  await attempt("renew the OCSP responder", async () => {
    for (const name of (await ocsp?.keepCredentials()) ?? [])
      log.info({ listener: name }, "responder certificate renewed");
    await ocsp?.renewAnswers();
  });
  await attempt("note overdue proofs", () => duties.enrolment.noteOverdueProofs());
  await attempt("follow contacts", () => duties.inventory.followContacts());
  await attempt("step rollouts", () => duties.rollouts.step());
  await attempt("step the CA rollover", () => duties.rollovers.step());
  await attempt("retire command keys", () => duties.trust.retireKeys());
  await attempt("expire counters", () => duties.store.transaction((tx) => tx.ages.expire(clock.now())));
  await attempt("forget answers", async () => {
    const now = duties.clockGuard.now();
    await duties.store.transaction((tx) => tx.answers.deleteExpired(now));
  });
  await attempt("drain outbox", () => duties.outbox.drain());
}
