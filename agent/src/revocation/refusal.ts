import { FleetError } from "@fleetcert/shared";

/**
 * Why revocation state was refused; the names of the attacks are those of TUF, whose roles this borrows.
 *
 * - `rollback`: an older (era, epoch) than the one held; `fork`: the same one with other content
 * - `mix`: a head that points a shard to an older list than the held one, or to another list of the same epoch
 * - `truncated`, `wrong-hash`: parts that are not what the head promises
 * - `wrong-issuer`, `wrong-scope`, `wrong-number`, `bad-signature`, `malformed`: a list that is not this shard's of this issuer
 * - `too-large`: more than a device may be made to hold
 * - `era-ahead`: of an era no root has announced yet
 */
export type RevocationFault =
  | "rollback"
  | "fork"
  | "mix"
  | "truncated"
  | "wrong-hash"
  | "wrong-issuer"
  | "wrong-scope"
  | "wrong-number"
  | "bad-signature"
  | "malformed"
  | "too-large"
  | "era-ahead";

/** Revocation state that cannot be accepted; nothing has changed. Worth another try where only the way here is at fault. */
export class RevocationRefusal extends FleetError {
  readonly fault: RevocationFault;

  constructor(fault: RevocationFault, message: string, cause?: unknown) {
    super("revocation-invalid", message, { cause, retry: fault === "truncated" || fault === "wrong-hash" });
    this.fault = fault;
  }
}
