/** Why a certificate was revoked (RFC 5280 §5.3.1). */
export type ReasonCode =
  | "unspecified"
  | "keyCompromise"
  | "cACompromise"
  | "affiliationChanged"
  | "superseded"
  | "cessationOfOperation"
  | "certificateHold"
  | "removeFromCRL"
  | "privilegeWithdrawn"
  | "aACompromise";

/** Number of each reason on the wire; 7 is not used. */
export const reasonCodeNumbers: Readonly<Record<ReasonCode, number>> = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10,
};

/** The reason of a number, undefined for a number without one. */
export const reasonCodeOf = (number: number): ReasonCode | undefined => reasonsByNumber.get(number);

const reasonsByNumber: ReadonlyMap<number, ReasonCode> = new Map(
  Object.entries(reasonCodeNumbers).map(([reason, number]) => [number, reason as ReasonCode]),
);
