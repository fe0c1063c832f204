import { FleetError, sha256 } from "@fleetcert/shared";
import { maxCourierParts } from "./bodies.ts";
import { maxEnvelopeBytes } from "./envelope.ts";
import { fleetcert } from "./generated/v1.js";
import { formatTopic, parseTopic, type Topic } from "./topics.ts";

/** One message of a bundle with the topic it would travel on. */
export interface CourierPart {
  readonly topic: Topic;
  readonly payload: Uint8Array;
}

/** A bundle as it lies in a file; nothing of it is verified but that it is whole. */
export interface CourierFile {
  /** SignedEnvelope of the manifest. */
  readonly manifest: Uint8Array;
  readonly parts: readonly CourierPart[];
}

/** Largest bundle from a device, and largest one to it. */
export const maxCourierBytes = { request: 512 * 1024, reply: 16 * 1024 * 1024 } as const;

/** Encodes a bundle's file: magic, manifest and parts, and SHA-256 of it all, which finds what a bad stick did. */
export function encodeCourierFile({ manifest, parts }: CourierFile): Uint8Array {
  const body = fleetcert.v1.CourierFile.encode({ manifest, parts: parts.map(wirePart) }).finish();
  const whole = Buffer.concat([magic, body]);
  return new Uint8Array(Buffer.concat([whole, sha256(whole)]));
}

/**
 * Decodes the file of a bundle of at most `maxBytes`. Octets that belong to nothing are refused, so that two files in one, or one
 * with more behind it, are no bundle.
 *
 * Throws `message-too-large`, `bundle-damaged`, `version-unsupported` or `message-invalid`.
 */
export function decodeCourierFile(bytes: Uint8Array, maxBytes: number): CourierFile {
  if (bytes.length > maxBytes) {
    throw new FleetError("message-too-large", `the bundle has ${bytes.length} bytes, limit ${maxBytes}`);
  }
  requireMagic(bytes);
  const end = bytes.length - checksumBytes;
  if (end < magic.length || Buffer.compare(sha256(bytes.subarray(0, end)), bytes.subarray(end)) !== 0) {
    throw damaged("its checksum does not fit");
  }
  const body = bytes.subarray(magic.length, end);
  const wire = decodeBody(body);
  const file = { manifest: Uint8Array.from(wire.manifest), parts: wire.parts.map(partOf) };
  if (Buffer.compare(fleetcert.v1.CourierFile.encode(wire).finish(), body) !== 0) {
    throw new FleetError("message-invalid", "the bundle holds octets that belong to nothing");
  }
  return file;
}

/** SHA-256 of each part as a manifest names it. */
export function courierPartHashes(parts: readonly CourierPart[]): Uint8Array[] {
  return parts.map((part) => sha256(fleetcert.v1.CourierPart.encode(wirePart(part)).finish()));
}

/** Throws `signature-invalid` unless the parts are exactly those the manifest names, in its order. */
export function requireCourierParts(parts: readonly CourierPart[], named: readonly Uint8Array[]): void {
  const hashes = courierPartHashes(parts);
  const isSame =
    hashes.length === named.length && hashes.every((hash, at) => Buffer.compare(hash, named[at] ?? hash) === 0);
  if (isSame) return;
  throw new FleetError("signature-invalid", "the bundle's parts are not those its manifest was signed for");
}

function requireMagic(bytes: Uint8Array): void {
  const start = Buffer.from(bytes.subarray(0, magic.length));
  if (start.equals(magic)) return;
  if (
    start.length === magic.length &&
    start.subarray(0, magic.length - 1).equals(magic.subarray(0, magic.length - 1))
  ) {
    throw new FleetError(
      "version-unsupported",
      `the bundle has version ${start.at(-1)}, this side reads ${magic.at(-1)}`,
    );
  }
  throw damaged("it does not begin as a bundle does");
}

function decodeBody(body: Uint8Array): fleetcert.v1.CourierFile {
  try {
    return fleetcert.v1.CourierFile.decode(body) as fleetcert.v1.CourierFile;
  } catch (cause) {
    throw new FleetError("message-invalid", "the bundle cannot be taken apart", { cause });
  }
}

function partOf(
  { topic: text, payload }: fleetcert.v1.CourierPart.$Properties,
  at: number,
  all: unknown[],
): CourierPart {
  if (all.length > maxCourierParts) throw invalid(`it has ${all.length} parts, limit ${maxCourierParts}`);
  const topic = parseTopic(text ?? "");
  if (topic === undefined || formatTopic(topic) !== text) throw invalid(`part ${at} has no topic of ours`);
  if (payload === null || payload === undefined || payload.length === 0 || payload.length > maxEnvelopeBytes) {
    throw invalid(`part ${at} has ${payload?.length ?? 0} bytes, 1 to ${maxEnvelopeBytes} allowed`);
  }
  return { topic, payload: Uint8Array.from(payload) };
}

function wirePart({ topic, payload }: CourierPart) {
  return { topic: formatTopic(topic), payload };
}

function invalid(message: string): FleetError {
  return new FleetError("message-invalid", `the bundle is malformed: ${message}`);
}

function damaged(why: string): FleetError {
  return new FleetError("bundle-damaged", `the file is no whole bundle: ${why}`, {
    hint: "copy it again from where it was made",
  });
}

/** The last octet is the version. */
const magic = Buffer.from("FCBUNDL\u0001", "latin1");
const checksumBytes = 32;
