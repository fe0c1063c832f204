import { FleetError } from "@fleetcert/shared";
import { check } from "./checks.ts";
import {
  decodeAttested,
  decodeEnrol,
  decodeRenew,
  encodeAttested,
  encodeEnrol,
  encodeRenew,
} from "./enrolment-codec.ts";
import { fleetcert } from "./generated/v1.js";
import type { Body, BodyOf, BodyType, MessageKind, RenewalMode, Via } from "./message.ts";
import { decodeQuoteRequest } from "./quote-codec.ts";

type Wire = fleetcert.v1.Message.$Properties;

/** How one type of body stands on the wire: its field, the kind it travels as, and both directions of the codec. */
interface BodyCodec<T extends BodyType> {
  readonly kind: MessageKind;
  readonly field: keyof Wire;
  encode(body: BodyOf<T>): object;
  decode(wire: Wire): BodyOf<T>;
}

/** Every body type; adding one is adding a row here, a field in message.proto and a kind in message.ts. */
export const bodyCodecs: { readonly [T in BodyType]: BodyCodec<T> } = {
  enrol: {
    kind: "enrol",
    field: "enrol",
    encode: encodeEnrol,
    decode: ({ enrol: wire }) => ({ type: "enrol", ...decodeEnrol(wire) }),
  },
  attestation: {
    kind: "attest",
    field: "attestation",
    encode: ({ request, activated }) => ({ ...encodeAttested(request), activated }),
    decode: ({ attestation: wire }) => ({
      type: "attestation",
      request: decodeAttested(wire),
      activated: check.bytes(wire?.activated, "activated secret", 64, 16),
    }),
  },
  renew: {
    kind: "renew",
    field: "renew",
    encode: encodeRenew,
    decode: ({ renew: wire }) => ({ type: "renew", ...decodeRenew(wire) }),
  },
  activated: {
    kind: "activated",
    field: "activated",
    encode: (body) => body,
    decode: ({ activated: wire }) => ({
      type: "activated",
      slot: check.slot(wire?.slot),
      generation: check.generation(wire?.generation),
      certificateSha256: check.sha256(wire?.certificateSha256, "certificate"),
    }),
  },
  report: {
    kind: "report",
    field: "report",
    encode: (body) => ({ ...body, epochs: body.epochs.map((one) => ({ ...one, issuer: fromHex(one.issuer) })) }),
    decode: ({ report: wire }) => ({
      type: "report",
      agentVersion: check.text(wire?.agentVersion, "agent version", 64),
      platform: check.text(wire?.platform, "platform", 128),
      clockOffset: check.int(wire?.clockOffset, "clock offset"),
      timeStatus: check.text(wire?.timeStatus, "time status", 32),
      slots: check.list(wire?.slots, "slots", 64).map((one) => ({
        slot: check.slot(one.slot),
        generation: check.uint(one.generation, "generation", 0xffff_ffff),
        certificateSha256: check.bytes(one.certificateSha256, "certificate", 32, 0),
        journal: check.text(one.journal, "journal", 32),
        certificateAge: check.uint(one.certificateAge, "certificate age"),
        protection: check.text(one.protection, "protection", 32),
        lastError: check.text(one.lastError, "last error", 512),
        rollbacks: check.uint(one.rollbacks, "rollbacks", 0xffff_ffff),
        rollbackCause: check.text(one.rollbackCause, "rollback cause", 512),
        rollbackAt: check.uint(one.rollbackAt, "rollback time"),
        keyStore: check.text(one.keyStore, "key store", 256),
      })),
      epochs: check.list(wire?.epochs, "epochs", 64).map((one) => ({
        issuer: check.hex32(one.issuer, "issuer"),
        era: check.uint(one.era, "era"),
        epoch: check.uint(one.epoch, "epoch"),
        stale: one.stale ?? false,
      })),
      trustEra: check.uint(wire?.trustEra, "trust era"),
      trustVersion: check.uint(wire?.trustVersion, "trust version"),
      desiredVersion: check.uint(wire?.desiredVersion, "desired version"),
      outboxLength: check.uint(wire?.outboxLength, "outbox length"),
    }),
  },
  ack: {
    kind: "ack",
    field: "ack",
    encode: (body) => ({ ...body, issuer: fromHex(body.issuer), via: viaToWire[body.via] }),
    decode: ({ ack: wire }) => ({
      type: "ack",
      issuer: check.hex32(wire?.issuer, "issuer"),
      era: check.uint(wire?.era, "era"),
      epoch: check.uint(wire?.epoch, "epoch"),
      headSha256: check.sha256(wire?.headSha256, "head"),
      appliedAt: check.uint(wire?.appliedAt, "applied at"),
      via: viaFromWire(wire?.via),
    }),
  },
  "time-request": {
    kind: "time",
    field: "timeRequest",
    encode: () => ({}),
    decode: () => ({ type: "time-request" }),
  },
  event: {
    kind: "event",
    field: "event",
    encode: (body) => body,
    decode: ({ event: wire }) => ({
      type: "event",
      name: check.text(wire?.name, "event name", 64),
      at: check.uint(wire?.at, "event time"),
      details: Object.fromEntries(
        check
          .list(Object.entries(wire?.details ?? {}), "details", 32)
          .map(([key, value]) => [check.text(key, "detail name", 64), check.text(value, "detail", 512)]),
      ),
    }),
  },
  "challenge-response": {
    kind: "challenge",
    field: "challengeResponse",
    encode: (body) => body,
    decode: ({ challengeResponse: wire }) => ({
      type: "challenge-response",
      nonce: check.bytes(wire?.nonce, "nonce", 64, 16),
    }),
  },
  "courier-request": {
    kind: "courier",
    field: "courierRequest",
    encode: (body) => ({ ...body, parts: [...body.parts] }),
    decode: ({ courierRequest: wire }) => ({
      type: "courier-request",
      nonce: check.sha256(wire?.nonce, "nonce"),
      wantsLists: wire?.wantsLists ?? false,
      parts: check.list(wire?.parts, "parts", maxCourierParts).map((hash) => check.sha256(hash, "part")),
    }),
  },
  issued: {
    kind: "issued",
    field: "issued",
    encode: (body) => ({ ...body, chain: [...body.chain], trustBundles: [...body.trustBundles] }),
    decode: ({ issued: wire }) => ({
      type: "issued",
      slot: check.slot(wire?.slot),
      generation: check.generation(wire?.generation),
      certificate: check.bytes(wire?.certificate, "certificate", 8192),
      chain: check.list(wire?.chain, "chain", 8).map((der) => check.bytes(der, "chain certificate", 8192)),
      trustBundles: trustBundlesOf(wire?.trustBundles),
    }),
  },
  refused: {
    kind: "refused",
    field: "refused",
    encode: (body) => ({ ...body, trustBundles: [...body.trustBundles] }),
    decode: ({ refused: wire }) => ({
      type: "refused",
      code: check.text(wire?.code, "code", 64),
      message: check.text(wire?.message, "message", 1024),
      hint: check.text(wire?.hint, "hint", 1024),
      retryAfter: check.uint(wire?.retryAfter, "retry after"),
      trustBundles: trustBundlesOf(wire?.trustBundles),
    }),
  },
  confirmed: {
    kind: "confirmed",
    field: "confirmed",
    encode: (body) => body,
    decode: ({ confirmed: wire }) => ({
      type: "confirmed",
      slot: check.slot(wire?.slot),
      generation: check.generation(wire?.generation),
      certificateSha256: check.sha256(wire?.certificateSha256, "certificate"),
      grace: check.uint(wire?.grace, "grace"),
    }),
  },
  received: {
    kind: "received",
    field: "received",
    encode: () => ({}),
    decode: () => ({ type: "received" }),
  },
  "time-token": {
    kind: "time",
    field: "timeToken",
    encode: (body) => ({ ...body, trustBundles: [...body.trustBundles] }),
    decode: ({ timeToken: wire }) => ({
      type: "time-token",
      nonce: check.bytes(wire?.nonce, "nonce", 64, 16),
      now: check.uint(wire?.now, "now"),
      trustBundles: trustBundlesOf(wire?.trustBundles),
    }),
  },
  challenge: {
    kind: "challenge",
    field: "challenge",
    encode: (body) => body,
    decode: ({ challenge: wire }) => ({ type: "challenge", nonce: check.bytes(wire?.nonce, "nonce", 64, 16) }),
  },
  desired: {
    kind: "desired",
    field: "desired",
    encode: (body) => ({
      ...body,
      slots: body.slots.map((one) => ({ ...one, mode: modeToWire[one.mode] })),
      maintenance: [...body.maintenance],
    }),
    decode: ({ desired: wire }) => ({
      type: "desired",
      era: check.uint(wire?.era, "era"),
      version: check.uint(wire?.version, "version"),
      slots: check.list(wire?.slots, "slots", 64).map((one) => ({
        slot: check.slot(one.slot),
        profile: check.text(one.profile, "profile", 64),
        keyAlgorithm: check.keyAlgorithm(one.keyAlgorithm),
        renewGeneration: check.uint(one.renewGeneration, "renew generation", 0xffff_ffff),
        windowStart: check.uint(one.windowStart, "window start"),
        windowEnd: check.uint(one.windowEnd, "window end"),
        explanationUrl: check.text(one.explanationUrl, "explanation URL", 512),
        retryAfter: check.uint(one.retryAfter, "retry after"),
        earliest: check.uint(one.earliest, "earliest"),
        renewBefore: check.uint(one.renewBefore, "renew before"),
        mode: modeFromWire(one.mode),
      })),
      reportInterval: check.uint(wire?.reportInterval, "report interval"),
      retire: wire?.retire ?? false,
      suspended: check.text(wire?.suspended, "suspended", 512),
      maintenance: check.list(wire?.maintenance, "maintenance windows", 32).map((one) => ({
        cron: check.text(one.cron, "cron expression", 128),
        duration: check.uint(one.duration, "duration"),
        timeZone: check.text(one.timeZone, "time zone", 64),
      })),
    }),
  },
  credential: {
    kind: "challenge",
    field: "credential",
    encode: (body) => ({ ...body, trustBundles: [...body.trustBundles] }),
    decode: ({ credential: wire }) => ({
      type: "credential",
      credentialBlob: check.bytes(wire?.credentialBlob, "credential", 256),
      secret: check.bytes(wire?.secret, "credential secret", 512),
      trustBundles: trustBundlesOf(wire?.trustBundles),
    }),
  },
  "courier-reply": {
    kind: "courier",
    field: "courierReply",
    encode: (body) => ({ ...body, parts: [...body.parts] }),
    decode: ({ courierReply: wire }) => ({
      type: "courier-reply",
      nonce: check.sha256(wire?.nonce, "nonce"),
      generation: check.uint(wire?.generation, "generation", 0xffff_ffff),
      parts: check.list(wire?.parts, "parts", maxCourierParts).map((hash) => check.sha256(hash, "part")),
    }),
  },
  "quote-request": {
    kind: "quote",
    field: "quoteRequest",
    encode: ({ nonce, pcrs }) => ({ nonce, pcrs: pcrs.map(({ hash, indices }) => ({ hash, indices: [...indices] })) }),
    decode: ({ quoteRequest: wire }) => ({ type: "quote-request", ...decodeQuoteRequest(wire) }),
  },
  quote: {
    kind: "quote",
    field: "quote",
    encode: (body) => ({ ...body, values: [...body.values] }),
    decode: ({ quote: wire }) => ({
      type: "quote",
      nonce: check.bytes(wire?.nonce, "nonce", 64, 16),
      attest: check.bytes(wire?.attest, "attest", 2048),
      signature: check.bytes(wire?.signature, "TPM signature", 1024),
      values: check.list(wire?.values, "PCR values", 72).map((value) => check.bytes(value, "PCR value", 64)),
    }),
  },
  head: {
    kind: "head",
    field: "head",
    encode: (body) => ({
      ...body,
      issuer: fromHex(body.issuer),
      shards: body.shards.map((one) => ({
        ...one,
        deltaFrom: [...one.deltaFrom],
        crlPatchFrom: [...one.crlPatchFrom],
      })),
    }),
    decode: ({ head: wire }) => ({
      type: "head",
      issuer: check.hex32(wire?.issuer, "issuer"),
      era: check.uint(wire?.era, "era"),
      epoch: check.uint(wire?.epoch, "epoch"),
      thisUpdate: check.uint(wire?.thisUpdate, "this update"),
      nextUpdate: check.uint(wire?.nextUpdate, "next update"),
      shards: check.list(wire?.shards, "shards", 512).map((one) => ({
        shard: check.uint(one.shard, "shard", 0xffff),
        coveredFrom: check.uint(one.coveredFrom, "covered from", 0xffff_ffff),
        coveredTo: check.uint(one.coveredTo, "covered to", 0xffff_ffff),
        revokedCount: check.uint(one.revokedCount, "revoked count", 0xffff_ffff),
        crlEpoch: check.uint(one.crlEpoch, "CRL epoch"),
        crlLength: check.uint(one.crlLength, "CRL length", maxCrlBytes),
        crlSha256: check.bytes(one.crlSha256, "CRL hash", 32, 0),
        snapshotEpoch: check.uint(one.snapshotEpoch, "snapshot epoch"),
        snapshotLength: check.uint(one.snapshotLength, "snapshot length", maxCrlBytes),
        snapshotSha256: check.bytes(one.snapshotSha256, "snapshot hash", 32, 0),
        deltaFrom: check.list(one.deltaFrom, "delta bases", 16).map((epoch) => check.uint(epoch, "delta base")),
        crlPatchFrom: check.list(one.crlPatchFrom, "patch bases", 16).map((epoch) => check.uint(epoch, "patch base")),
      })),
    }),
  },
};

/** Puts a body into its field of the wire message. */
export function encodeBody<T extends BodyType>(body: BodyOf<T>): Wire {
  const codec = bodyCodecs[body.type] as unknown as BodyCodec<T>;
  return { [codec.field]: codec.encode(body) };
}

/** Reads the one body of a wire message. Throws `message-invalid`. */
export function decodeBody(wire: fleetcert.v1.Message): Body {
  const codec = Object.values(bodyCodecs).find(({ field }) => field === wire.body);
  if (codec === undefined) throw new FleetError("version-unsupported", "the message has no body this side knows");
  return codec.decode(wire as Wire);
}

/** The way of trust from the pinned root to the present, as an answer carries it. */
function trustBundlesOf(wire: Uint8Array[] | null | undefined): Uint8Array[] {
  return check.list(wire, "trust bundles", 32).map((bundle) => check.bytes(bundle, "trust bundle", 48 * 1024));
}

function viaFromWire(value: unknown): Via {
  const found = Object.entries(viaToWire).find(([, wire]) => wire === value);
  if (found === undefined) throw new FleetError("message-invalid", "via is not a known way");
  return found[0] as Via;
}

/** A mode this side does not know is no reason to leave a certificate to its end. */
function modeFromWire(value: unknown): RenewalMode {
  const found = Object.entries(modeToWire).find(([, wire]) => wire === value);
  return found === undefined ? "automatic" : (found[0] as RenewalMode);
}

function fromHex(text: string): Uint8Array {
  return Buffer.from(text, "hex");
}

const viaToWire: Readonly<Record<Via, number>> = {
  mqtt: fleetcert.v1.Via.VIA_MQTT,
  courier: fleetcert.v1.Via.VIA_COURIER,
  http: fleetcert.v1.Via.VIA_HTTP,
};

/** The hashes of so many parts fit one envelope. */
export const maxCourierParts = 1024;

const modeToWire: Readonly<Record<RenewalMode, number>> = {
  automatic: fleetcert.v1.RenewalMode.RENEWAL_AUTOMATIC,
  disabled: fleetcert.v1.RenewalMode.RENEWAL_DISABLED,
  urgent: fleetcert.v1.RenewalMode.RENEWAL_URGENT,
};

const maxCrlBytes = 64 * 1024 * 1024;
