import type { Duplex } from "node:stream";
import { FleetError } from "@fleetcert/shared";
import type { PeerIdentity } from "../../ports.ts";

/** A connection that asks to become a session. */
export interface Applicant {
  readonly clientId: string;
  readonly stream: Duplex;
  /** Resolves when the stream has closed and the controller has been told. */
  readonly ended: Promise<void>;
}

/** Which sessions are to go: all of a device, or those one certificate authenticated. */
export interface Drop {
  readonly device: string;
  readonly certificateSha256: string | undefined;
}

/** The live sessions of one listener, one for each client id. */
export class SessionTable {
  readonly #live = new Map<string, Applicant & { readonly identity: PeerIdentity }>();
  readonly #judging = new Set<Drop[]>();

  /**
   * Lets a connection in once it is judged; the earlier session with its client id is closed and has ended when this
   * resolves. A drop during the judgement refuses it: otherwise a device revoked in that moment would stay in.
   *
   * @throws FleetError `denied`, or whatever `judge` throws
   */
  async admit(applicant: Applicant, judge: () => Promise<PeerIdentity>): Promise<PeerIdentity> {
    const drops: Drop[] = [];
    this.#judging.add(drops);
    try {
      const identity = await judge();
      if (drops.some((drop) => concerns(drop, identity))) throw new FleetError("denied", "revoked while connecting");
      const earlier = this.#live.get(applicant.clientId);
      this.#enter({ ...applicant, identity });
      earlier?.stream.destroy();
      await earlier?.ended;
      return identity;
    } finally {
      this.#judging.delete(drops);
    }
  }

  /** Closes what a drop concerns; resolves with how many when all have ended. */
  async drop(drop: Drop): Promise<number> {
    for (const drops of this.#judging) drops.push(drop);
    return await endAll([...this.#live.values()].filter(({ identity }) => concerns(drop, identity)));
  }

  /** Closes every session. */
  async end(): Promise<void> {
    await endAll([...this.#live.values()]);
  }

  #enter(session: Applicant & { readonly identity: PeerIdentity }): void {
    const { clientId, ended } = session;
    this.#live.set(clientId, session);
    void ended.then(() => {
      if (this.#live.get(clientId) === session) this.#live.delete(clientId);
    });
  }
}

async function endAll(sessions: readonly Applicant[]): Promise<number> {
  for (const { stream } of sessions) stream.destroy();
  await Promise.all(sessions.map(({ ended }) => ended));
  return sessions.length;
}

function concerns({ device, certificateSha256 }: Drop, identity: PeerIdentity): boolean {
  if (identity.type === "operational") {
    return (
      identity.device === device && (certificateSha256 ?? identity.certificateSha256) === identity.certificateSha256
    );
  }
  // A bootstrap session names no device; only the certificate it came in with can tell.
  return identity.by.type === "certificate" && identity.by.certificateSha256 === certificateSha256;
}
