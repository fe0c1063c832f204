import type { Duration, Instant } from "@fleetcert/shared";
import type { IssuedRecord } from "../credential/verify-issued.ts";
import type { EffectName } from "./effect.ts";
import type { KeyRecord, RenewalWindow } from "./slot-state.ts";

/**
 * What happened. Results of effects name the key they are about, so that an answer that comes late, twice or after the
 * attempt was given up changes nothing.
 */
export type RenewalEvent =
  /** The process began; the state is what the disk held. */
  | { readonly type: "started" }
  | { readonly type: "woke" }
  /** A session with the controller is live again. */
  | { readonly type: "connected" }
  /** The controller told the time although it opens no session. */
  | { readonly type: "anchored" }
  /** An operator asks for a new generation now, or the device for its first. */
  | { readonly type: "wanted" }
  | { readonly type: "window"; readonly window: RenewalWindow | undefined }
  /** A person permitted to enrol anew, from this generation on. */
  | { readonly type: "permitted"; readonly generation: number }
  /** The controller retired the device. */
  | { readonly type: "retired" }
  | { readonly type: "keyReady"; readonly generation: number; readonly key: KeyRecord }
  | { readonly type: "csrReady"; readonly keyId: string; readonly csr: Uint8Array }
  | { readonly type: "issued"; readonly keyId: string; readonly issued: IssuedRecord }
  | { readonly type: "installed"; readonly keyId: string; readonly round: number }
  | { readonly type: "reloaded"; readonly keyId: string; readonly round: number }
  | { readonly type: "verified"; readonly keyId: string; readonly round: number }
  /** The service serves what it served before. */
  | { readonly type: "restored"; readonly keyId: string; readonly round: number }
  | { readonly type: "proven"; readonly keyId: string; readonly grace: Duration }
  | { readonly type: "destroyed"; readonly keyId: string }
  | { readonly type: "erased" }
  | Failed;

/** An effect did not succeed: a refusal, a timeout, a fault. `retryAfter` 0 leaves the pace to the backoff. */
export interface Failed {
  readonly type: "failed";
  readonly doing: EffectName;
  /** Id of the key it was about; empty for `generate`, which has none yet. */
  readonly keyId: string;
  /** A code of the error catalogue, or one this side does not know. */
  readonly code: string;
  /** For people only. */
  readonly reason: string;
  readonly retryAfter: Duration;
}

/** What the reducer may know of the world at this event. */
export interface Moment {
  /** The estimated present. */
  readonly now: Instant;
  /** Whether a signed time was seen in this process; otherwise `now` is only what the wall clock says. */
  readonly isAnchored: boolean;
  /** Uniform in [0, 1). */
  readonly jitter: number;
}
