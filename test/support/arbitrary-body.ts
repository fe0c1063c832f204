import type { Body, BodyOf, BodyType, Message } from "@fleetcert/proto";
import fc from "fast-check";

const text = (maxLength: number) => fc.string({ unit: "grapheme-ascii", maxLength });
const bytes = (maxLength: number, minLength = 1) => fc.uint8Array({ minLength, maxLength });
const hex32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((octets) => Buffer.from(octets).toString("hex"));
const sha256 = bytes(32, 32);
const optionalSha256 = fc.oneof(sha256, fc.constant(new Uint8Array()));
const uint = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constant(0));
const uint32 = fc.oneof(fc.nat(0xffff_ffff), fc.constant(0));
const slot = fc.stringMatching(/^[a-z][a-z0-9-]{0,31}$/);
const generation = fc.integer({ min: 1, max: 0xffff_ffff });
const protection = fc.constantFrom("software" as const, "token" as const, "attested" as const);
const keyAlgorithm = fc.constantFrom("P-256" as const, "P-384" as const, "RSA-2048" as const, "Ed25519" as const);
const of = <T extends BodyType>(type: T) => fc.constant(type);

const evidence = fc.record({
  publicArea: bytes(200),
  parent: bytes(200),
  attest: bytes(300),
  signature: bytes(200),
});
const tpm = fc.record({
  endorsementKey: bytes(200),
  endorsementCertificate: fc.option(bytes(300), { nil: undefined }),
  attestationKey: bytes(200),
});
const claimId = fc.stringMatching(/^[a-z0-9]{8,20}$/);
const enrolFields = {
  slot,
  generation,
  csr: bytes(600),
  protection,
  tokenSerial: text(64),
  agentVersion: text(64),
};
const renewFields = {
  slot,
  generation,
  csr: bytes(600),
  previousCertificateSha256: sha256,
  protection,
  tokenSerial: text(64),
};
const requiredOf = <T extends object>(fields: T) => ({ requiredKeys: Object.keys(fields) as (keyof T)[] });
const attested = fc.record({ tpm, evidence });

/** One generator for every type of body, within the limits of the codec. */
export const arbitraryBodies: { readonly [T in BodyType]: fc.Arbitrary<BodyOf<T>> } = {
  enrol: fc.record({ type: of("enrol"), ...enrolFields, attested, claimId }, requiredOf({ type: 0, ...enrolFields })),
  attestation: fc.record({
    type: of("attestation"),
    request: fc.oneof(
      fc.record({ ...enrolFields, attested }, requiredOf(enrolFields)),
      fc.record({ ...renewFields, evidence, tpm }, requiredOf(renewFields)),
    ),
    activated: bytes(64, 16),
  }),
  renew: fc.record({ type: of("renew"), ...renewFields, evidence, tpm }, requiredOf({ type: 0, ...renewFields })),
  activated: fc.record({ type: of("activated"), slot, generation, certificateSha256: sha256 }),
  report: fc.record({
    type: of("report"),
    agentVersion: text(64),
    platform: text(128),
    clockOffset: fc.maxSafeInteger(),
    timeStatus: text(32),
    slots: fc.array(
      fc.record({
        slot,
        generation: uint32,
        certificateSha256: optionalSha256,
        journal: text(32),
        certificateAge: uint,
        protection: text(32),
        lastError: text(512),
        rollbacks: uint32,
        rollbackCause: text(512),
        rollbackAt: uint,
        keyStore: text(256),
      }),
      { maxLength: 4 },
    ),
    epochs: fc.array(fc.record({ issuer: hex32, era: uint, epoch: uint, stale: fc.boolean() }), { maxLength: 4 }),
    trustEra: uint,
    trustVersion: uint,
    desiredVersion: uint,
    outboxLength: uint32,
  }),
  ack: fc.record({
    type: of("ack"),
    issuer: hex32,
    era: uint,
    epoch: uint,
    headSha256: sha256,
    appliedAt: uint,
    via: fc.constantFrom("mqtt" as const, "courier" as const, "http" as const),
  }),
  "time-request": fc.record({ type: of("time-request") }),
  event: fc.record({
    type: of("event"),
    name: text(64),
    at: uint,
    details: fc.dictionary(text(64), text(512), { maxKeys: 4, noNullPrototype: true }),
  }),
  "challenge-response": fc.record({ type: of("challenge-response"), nonce: bytes(64, 16) }),
  "courier-request": fc.record({
    type: of("courier-request"),
    nonce: sha256,
    wantsLists: fc.boolean(),
    parts: fc.array(sha256, { maxLength: 4 }),
  }),
  issued: fc.record({
    type: of("issued"),
    slot,
    generation,
    certificate: bytes(900),
    chain: fc.array(bytes(200), { maxLength: 3 }),
    trustBundles: fc.array(bytes(900), { maxLength: 3 }),
  }),
  refused: fc.record({
    type: of("refused"),
    code: text(64),
    message: text(1024),
    hint: text(1024),
    retryAfter: uint,
    trustBundles: fc.array(bytes(900), { maxLength: 3 }),
  }),
  confirmed: fc.record({ type: of("confirmed"), slot, generation, certificateSha256: sha256, grace: uint }),
  received: fc.record({ type: of("received") }),
  "time-token": fc.record({
    type: of("time-token"),
    nonce: bytes(64, 16),
    now: uint,
    trustBundles: fc.array(bytes(900), { maxLength: 3 }),
  }),
  challenge: fc.record({ type: of("challenge"), nonce: bytes(64, 16) }),
  desired: fc.record({
    type: of("desired"),
    era: uint,
    version: uint,
    slots: fc.array(
      fc.record({
        slot,
        profile: text(64),
        keyAlgorithm,
        renewGeneration: uint32,
        windowStart: uint,
        windowEnd: uint,
        explanationUrl: text(512),
        retryAfter: uint,
        earliest: uint,
        renewBefore: uint,
        mode: fc.constantFrom("automatic" as const, "disabled" as const, "urgent" as const),
      }),
      { maxLength: 3 },
    ),
    reportInterval: uint,
    retire: fc.boolean(),
    suspended: text(512),
    maintenance: fc.array(fc.record({ cron: text(128), duration: uint, timeZone: text(64) }), { maxLength: 3 }),
  }),
  credential: fc.record({
    type: of("credential"),
    credentialBlob: bytes(256),
    secret: bytes(512),
    trustBundles: fc.array(bytes(900), { maxLength: 3 }),
  }),
  "courier-reply": fc.record({
    type: of("courier-reply"),
    nonce: sha256,
    generation: uint32,
    parts: fc.array(sha256, { maxLength: 4 }),
  }),
  "quote-request": fc.record({
    type: of("quote-request"),
    nonce: bytes(64, 16),
    pcrs: fc.uniqueArray(
      fc.record({
        hash: fc.constantFrom("sha256" as const, "sha384" as const, "sha512" as const),
        indices: fc
          .uniqueArray(fc.nat(23), { minLength: 1, maxLength: 24 })
          .map((indices) => indices.toSorted((a, b) => a - b)),
      }),
      { minLength: 1, maxLength: 3, selector: ({ hash }) => hash },
    ),
  }),
  quote: fc.record({
    type: of("quote"),
    nonce: bytes(64, 16),
    attest: bytes(300),
    signature: bytes(200),
    values: fc.array(bytes(64), { maxLength: 8 }),
  }),
  head: fc.record({
    type: of("head"),
    issuer: hex32,
    era: uint,
    epoch: uint,
    thisUpdate: uint,
    nextUpdate: uint,
    shards: fc.array(
      fc.record({
        shard: fc.nat(0xffff),
        coveredFrom: uint32,
        coveredTo: uint32,
        revokedCount: uint32,
        crlEpoch: uint,
        crlLength: fc.nat(64 * 1024 * 1024),
        crlSha256: optionalSha256,
        snapshotEpoch: uint,
        snapshotLength: fc.nat(64 * 1024 * 1024),
        snapshotSha256: optionalSha256,
        deltaFrom: fc.array(uint, { maxLength: 16 }),
        crlPatchFrom: fc.array(uint, { maxLength: 16 }),
      }),
      { maxLength: 4 },
    ),
  }),
};

/** Any body of any type. */
export const arbitraryBody: fc.Arbitrary<Body> = fc.oneof(...(Object.values(arbitraryBodies) as fc.Arbitrary<Body>[]));

/** A message around a body; every other field is arbitrary too. */
export function arbitraryMessage(body: fc.Arbitrary<Body> = arbitraryBody): fc.Arbitrary<Omit<Message, "kind">> {
  const party = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,63}$/);
  const id = bytes(16, 16).map((octets) => Buffer.from(octets).toString("hex"));
  return fc.record({
    fleet: text(64),
    direction: fc.constantFrom("device-to-controller", "controller-to-device", "controller-to-fleet"),
    sender: party,
    recipient: party,
    messageId: id,
    inReplyTo: fc.option(id, { nil: undefined }),
    sentAt: uint,
    expiresAt: uint,
    sequence: fc.option(
      fc.record({ generation: uint32, stream: fc.constantFrom("mqtt" as const, "courier" as const), counter: uint }),
      { nil: undefined },
    ),
    traceparent: fc.option(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 64 }), { nil: undefined }),
    body,
  });
}
