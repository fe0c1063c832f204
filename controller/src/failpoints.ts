/**
 * Every point where a test may kill the controller (FLEETCERT_FAILPOINT), in the order an issuance passes them.
 * The kill itself is wired in main.ts only; everywhere else passing one does nothing.
 */
export const failpoints = [
  /** The intent to issue is durable, nothing is signed. */
  "issuance.after-intent",
  /** The certificate is signed, nothing of it is stored. */
  "issuance.after-signing",
  /** The certificate and the answer are stored, nothing has left. */
  "issuance.after-store",
  /** The number of the next epoch is anchored, the list's intent is not. */
  "crl.after-anchor",
  "crl.after-intent",
  "crl.after-signing",
  /** The epoch and its messages are stored, nothing has left. */
  "crl.after-store",
  /** A message has been handed to the broker, the outbox still holds it. */
  "outbox.after-publish",
] as const;

/** One of {@link failpoints}. */
export type FailpointName = (typeof failpoints)[number];
