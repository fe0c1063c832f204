import { acceptTrustBundle, compareTrust, decodeEnvelope, decodeTrustBundle, type TrustBundle } from "@fleetcert/proto";
import {
  type Certificate,
  type CertificateRevocationList,
  FleetError,
  type Instant,
  isFleetError,
  parseCertificate,
  spkiSha256,
} from "@fleetcert/shared";
import type { Log, StateStore, TrustKeeper } from "../ports.ts";
import { putTwin, readTwin } from "../twin/twin-record.ts";
import { rootListsOf } from "./root-lists.ts";

/** What is trusted before the first bundle: one root, by the SHA-256 of its certificate, of one fleet. */
export interface Pin {
  readonly rootSha256: string;
  readonly fleet: string;
}

/** Fetches `fleet/trust/{version}` for each version; undefined for one that is not kept. */
export type FetchTrustVersions = (versions: readonly number[]) => Promise<readonly (Uint8Array | undefined)[]>;

/** The agent's trust keeper, with what only wiring, revocation and reports need. */
export interface OpenTrustKeeper extends TrustKeeper {
  /**
   * Takes a bundle that may be several versions ahead: when its signers are not trusted yet, walks the versions in between, in
   * order, as far as they are kept. Each step is durable. Throws `trust-invalid`, or what `fetchVersions` threw.
   */
  walkTo(envelope: Uint8Array, fetchVersions: FetchTrustVersions): Promise<TrustBundle>;
  /** A CA of the bundle by the SHA-256 of its SPKI; roots are among them, they sign lists too. */
  issuer(id: string): Certificate | undefined;
  /** The roots' own revocation lists, verified; for software that asks for those of the whole chain. */
  rootLists(): readonly CertificateRevocationList[];
  /** `trust-stale` past the bundle's expiry: reported, never a reason to disconnect. */
  status(now: Instant): "untrusting" | "trusting" | "trust-stale";
}

/**
 * Opens the trust keeper on its stored bundle. The stored bundle wins over the pin, which only admits the first one.
 * Throws `store-corrupt` when both copies of the bundle are damaged and there is no pin to begin again from.
 */
export async function openTrustKeeper(options: {
  readonly state: StateStore;
  readonly pin: Pin | undefined;
  readonly time: { enterEra(era: number, signedTime: Instant): Promise<void> };
  readonly log: Log;
}): Promise<OpenTrustKeeper> {
  const bundle = await readBundle(options);
  // A cut between storing a bundle and entering its era is made good here.
  if (bundle !== undefined) await options.time.enterEra(bundle.era, bundle.issuedAt);
  return new DurableTrustKeeper(options, bundle);
}

type Options = Parameters<typeof openTrustKeeper>[0];

class DurableTrustKeeper implements OpenTrustKeeper {
  readonly #options: Options;
  #bundle: TrustBundle | undefined;
  #issuers: ReadonlyMap<string, Certificate>;
  #rootLists: readonly CertificateRevocationList[];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: Options, bundle: TrustBundle | undefined) {
    this.#options = options;
    this.#bundle = bundle;
    this.#issuers = issuersOf(bundle);
    this.#rootLists = rootListsOf(bundle, options.log);
  }

  current(): TrustBundle | undefined {
    return this.#bundle;
  }

  issuer(id: string): Certificate | undefined {
    return this.#issuers.get(id);
  }

  rootLists(): readonly CertificateRevocationList[] {
    return this.#rootLists;
  }

  status(now: Instant): "untrusting" | "trusting" | "trust-stale" {
    if (this.#bundle === undefined) return "untrusting";
    return now > this.#bundle.expires ? "trust-stale" : "trusting";
  }

  accept(envelope: Uint8Array): Promise<TrustBundle> {
    return this.#inTurn(() => this.#take(envelope));
  }

  walkTo(envelope: Uint8Array, fetchVersions: FetchTrustVersions): Promise<TrustBundle> {
    return this.#inTurn(() => this.#walk(envelope, fetchVersions));
  }

  async #walk(envelope: Uint8Array, fetchVersions: FetchTrustVersions): Promise<TrustBundle> {
    try {
      return await this.#take(envelope);
    } catch (error) {
      const missed = this.#missedBefore(envelope);
      if (!isFleetError(error, "trust-invalid") || missed.length === 0) throw error;
      for (const step of await fetchVersions(missed)) await this.#step(step);
      return await this.#take(envelope);
    }
  }

  #missedBefore(envelope: Uint8Array): number[] {
    const next = (this.#bundle?.version ?? 0) + 1;
    const count = offeredBundle(envelope).version - next;
    if (count > maxSteps) {
      throw new FleetError(
        "trust-invalid",
        `the trust bundle is ${count} versions ahead, at most ${maxSteps} are walked`,
        {
          hint: "enrol the device again",
        },
      );
    }
    return Array.from({ length: Math.max(0, count) }, (_, index) => next + index);
  }

  /** A version on the way that cannot be accepted is passed over: only those that change roots are needed, and kept. */
  async #step(envelope: Uint8Array | undefined): Promise<void> {
    if (envelope === undefined) return;
    try {
      await this.#take(envelope);
    } catch (error) {
      if (!isFleetError(error, "trust-invalid", "message-invalid", "message-too-large", "certificate-invalid"))
        throw error;
      this.#options.log.warn({ error }, "trust bundle on the way passed over");
    }
  }

  async #take(envelope: Uint8Array): Promise<TrustBundle> {
    const known = this.#bundle;
    if (known !== undefined && compareTrust(offeredBundle(envelope), known) <= 0) return known;
    const { state, pin, time, log } = this.#options;
    if (known === undefined && pin === undefined) {
      throw new FleetError("trust-invalid", "nothing is trusted yet: no root is pinned", { hint: "enrol the device" });
    }
    const bundle = acceptTrustBundle(envelope, known === undefined ? (pin as Pin) : { bundle: known });
    const issuers = issuersOf(bundle);
    await state.write(putTwin(bundleKey, envelope));
    this.#bundle = bundle;
    this.#issuers = issuers;
    this.#rootLists = rootListsOf(bundle, log);
    log.info({ era: bundle.era, version: bundle.version, roots: bundle.roots.length }, "trust bundle accepted");
    await time.enterEra(bundle.era, bundle.issuedAt);
    return bundle;
  }

  #inTurn(act: () => Promise<TrustBundle>): Promise<TrustBundle> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => {});
    return done;
  }
}

async function readBundle({ state, pin, log }: Options): Promise<TrustBundle | undefined> {
  try {
    const envelope = await readTwin(state, bundleKey);
    return envelope === undefined ? undefined : offeredBundle(envelope);
  } catch (error) {
    if (!isFleetError(error, "store-corrupt") || pin === undefined) throw error;
    log.error({ error: error.message }, "trust bundle lost");
    return undefined;
  }
}

/** What an envelope says, its signatures not looked at. */
function offeredBundle(envelope: Uint8Array): TrustBundle {
  return decodeTrustBundle(decodeEnvelope(envelope).payload);
}

function issuersOf(bundle: TrustBundle | undefined): ReadonlyMap<string, Certificate> {
  const certificates = [...(bundle?.roots ?? []), ...(bundle?.issuers ?? [])].map((der) => parseCertificate(der));
  return new Map(certificates.map((certificate) => [spkiSha256(certificate.spki), certificate]));
}

const bundleKey = "trust/bundle";
/** Versions one walk may pass; a device that missed more is enrolled again. */
const maxSteps = 256;
