import type { Csr, Duration, Instant, KeyAlgorithm, Protection } from "@fleetcert/shared";
import type { Profile } from "../policy/policy.ts";
import type { CertificateAuthority, CounterAnchor, Surroundings } from "../ports.ts";
import type { CertificateRecord } from "../records.ts";
import type { Store, Transaction } from "../store-port.ts";
import { Turns } from "../turns.ts";
import { type Issuer, openIssuer } from "./certificate-template.ts";
import type { ClockGuard } from "./clock-guard.ts";
import { IssuanceQueue } from "./issuance-queue.ts";
import { issueToController } from "./issue-to-controller.ts";
import { issueToDevice } from "./issue-to-device.ts";
import { recoverIntents } from "./recover-intents.ts";
import { SerialRoom } from "./serial-room.ts";
import { type CrlOrder, signCrl } from "./sign-crl.ts";

/** What issuance works with. */
export interface IssuanceParts {
  readonly store: Store;
  readonly surroundings: Surroundings;
  readonly anchor: CounterAnchor;
  /** The authority that signs now; it may be another one at the next call. */
  readonly present: () => CertificateAuthority;
  readonly fleet: string;
  readonly profiles: ReadonlyMap<string, Profile>;
  /** `http://host:port`, without a slash at the end. */
  readonly crlBase: string;
  /** Where OCSP questions are answered, for certificates to name; undefined names nothing. */
  readonly ocspUri?: string | undefined;
  /** Width of a shard in notAfter. */
  readonly shardSpan: Duration;
  readonly clockGuard: ClockGuard;
  /** Called when indices beyond the published range were reserved, or a shard was opened. */
  readonly coverageGrew: (issuer: string) => void;
}

/** A certificate asked for by a device. */
export interface DeviceOrder {
  /** Actor of the audit entries. */
  readonly actor: string;
  readonly device: string;
  readonly slot: string;
  readonly generation: number;
  readonly csr: Csr;
  readonly protection: Protection;
  readonly tokenSerial: string;
  /** SHA-256 of the SPKI of the proven endorsement key, where there is one. */
  readonly endorsementKey?: string;
  /** Of the device's identity; it names the profiles of the device's other slots. */
  readonly profile: string;
  /** A use of it is counted with the intent and given back when it is aborted; empty for renewals. */
  readonly claimId: string;
  /** End of the certificate that asks for its successor; absent for a device's first. What ends soonest is issued first. */
  readonly expiresAt?: Instant;
  /** Whether a person permitted the device to enrol anew. */
  readonly isReenrolment?: boolean;
  /** Judges what only the caller knows, in the transaction of the intent. Throws to refuse. */
  judge(tx: Transaction): Promise<void>;
  /** Adds what must stand or fall with the certificate. */
  commit(tx: Transaction, certificate: CertificateRecord): Promise<void>;
}

/** A certificate the controller needs for itself, or for a person who uses it. */
export interface ControllerOrder {
  readonly actor: string;
  readonly commonName: string;
  readonly usage: "serverAuth" | "clientAuth" | "ocspSigning";
  /** DNS names and IP addresses; empty for people. */
  readonly hosts: readonly string[];
  readonly spki: Uint8Array;
  readonly keyAlgorithm: KeyAlgorithm;
  readonly validity: Duration;
  readonly backdate: Duration;
  /** `listener` or `operator`. */
  readonly profile: string;
  commit(tx: Transaction, certificate: CertificateRecord): Promise<void>;
}

/** What stands ready to sign: every certificate and list goes through here, in the order of I2. */
export interface Issuance {
  /**
   * Issues to a device. Idempotent on (device, slot, generation, key): the certificate that was issued before is given
   * again. Two requests at the same time give one certificate (I5).
   */
  toDevice(order: DeviceOrder): Promise<CertificateRecord>;
  toController(order: ControllerOrder): Promise<CertificateRecord>;
  /** Signs a revocation list in the same order. */
  signCrl(order: CrlOrder): Promise<void>;
  /** Aborts every open intent and burns its serial; skips indices that an older database does not know of. */
  recover(): Promise<{ readonly aborted: number }>;
}

/** {@link IssuanceParts} with what is built from them. */
export interface IssuanceContext extends IssuanceParts {
  readonly room: SerialRoom;
  /** To be taken once in each issuance, together with the issuer. */
  readonly authority: CertificateAuthority;
  /** Built again only when the authority has a new certificate. */
  readonly issuer: Issuer;
}

/** Opens issuance; nothing is signed yet. */
export function openIssuance(parts: IssuanceParts): Issuance {
  const { store, anchor, surroundings, shardSpan: span, coverageGrew: roomGrew } = parts;
  let issuer: Issuer | undefined;
  const context: IssuanceContext = {
    ...parts,
    get authority() {
      return parts.present();
    },
    get issuer() {
      const authority = parts.present();
      if (issuer === undefined || issuer.certificate.der !== authority.certificate) issuer = openIssuer(authority);
      return issuer;
    },
    room: new SerialRoom({ store, anchor, random: surroundings.random, span, roomGrew }),
  };
  const turns = new Turns({ maxWaiting: 64 });
  const queue = new IssuanceQueue({ running: 16, waitingFirst: 256 });
  return {
    toDevice: (order) =>
      turns.take(`${order.device}/${order.slot}`, () =>
        queue.take({ expiresAt: order.expiresAt }, () => issueToDevice(context, order)),
      ),
    toController: (order) => issueToController(context, order),
    signCrl: (order) => signCrl(context, order),
    async recover() {
      const aborted = await recoverIntents(context);
      await context.room.skipToAnchor(context.authority.id);
      return { aborted };
    },
  };
}
