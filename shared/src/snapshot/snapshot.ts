import { FleetError } from "../errors.ts";
import { sha256 } from "../key/digest.ts";
import { decodeIndices, encodeIndices } from "./encode-indices.ts";
import { IndexSet } from "./index-set.ts";

/** Encodes the revoked indices of a shard; exact, canonical, see docs/snapshot-format.md. */
export function encodeSnapshot(revoked: IndexSet): Uint8Array {
  return framed(snapshotTag, revoked.size, encodeIndices(revoked.indices()));
}

/**
 * Reads a snapshot whose covered range the signed head has told. Throws `revocation-invalid` for anything that the encoder
 * would not have written, in time linear in the octets and the size.
 */
export function decodeSnapshot(bytes: Uint8Array, size: number): IndexSet {
  const body = unframed(bytes, { tag: snapshotTag, size });
  const revoked = new IndexSet(size);
  decodeIndices(body, { size }, (index) => revoked.add(index));
  requireCanonical(encodeIndices(revoked.indices()), body);
  return revoked;
}

/** Encodes what changed between two sets of one shard; the base is named by the hash of its snapshot. */
export function encodeSnapshotDelta(base: IndexSet, target: IndexSet): Uint8Array {
  const grown = base.grownTo(target.size);
  const toggled = [...target.indices()].filter((index) => !grown.has(index));
  const gone = [...grown.indices()].filter((index) => !target.has(index));
  const body = encodeIndices([...toggled, ...gone].sort((a, b) => a - b));
  const hash = sha256(encodeSnapshot(base));
  const out = new Uint8Array(hash.length + body.length);
  out.set(hash);
  out.set(body, hash.length);
  return framed(deltaTag, target.size, out);
}

/**
 * Applies a delta to the set it was made for. The caller compares the hash of the result's snapshot with the signed head, and
 * bounds by `maxChanges` what a delta that is not genuine may cost: no more can change than both sets have together.
 * Throws `revocation-invalid` when the base is another one or the octets are malformed; the base is never changed.
 */
export function applySnapshotDelta(
  base: IndexSet,
  bytes: Uint8Array,
  { size, maxChanges }: { readonly size: number; readonly maxChanges?: number },
): IndexSet {
  const body = unframed(bytes, { tag: deltaTag, size });
  const hash = sha256(encodeSnapshot(base));
  if (body.length < hash.length || !hash.every((octet, at) => octet === body[at])) {
    throw new FleetError("revocation-invalid", "the delta was made for another snapshot");
  }
  const result = base.grownTo(size);
  decodeIndices(body.subarray(hash.length), { size, maxCount: maxChanges }, (index) => result.toggle(index));
  return result;
}

function framed(tag: number, size: number, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(headLength + body.length);
  out.set([tag, formatVersion, size >>> 24, (size >>> 16) & 0xff, (size >>> 8) & 0xff, size & 0xff]);
  out.set(body, headLength);
  return out;
}

function unframed(bytes: Uint8Array, expected: { readonly tag: number; readonly size: number }): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headLength || bytes[0] !== expected.tag) {
    throw new FleetError("revocation-invalid", "the octets are not what their topic says");
  }
  if (bytes[1] !== formatVersion) {
    throw new FleetError(
      "version-unsupported",
      `snapshot format ${bytes[1]} is unknown, this side reads ${formatVersion}`,
    );
  }
  if (view.getUint32(2) !== expected.size) {
    throw new FleetError(
      "revocation-invalid",
      `the snapshot covers ${view.getUint32(2)} indices, the head ${expected.size}`,
    );
  }
  return bytes.subarray(headLength);
}

/** One set has one encoding: a second one would have another hash, so it is not ours. */
function requireCanonical(expected: Uint8Array, found: Uint8Array): void {
  if (expected.length === found.length && expected.every((octet, at) => octet === found[at])) return;
  throw new FleetError("revocation-invalid", "the snapshot is not in its canonical form");
}

const snapshotTag = 0x53;
const deltaTag = 0x44;
const formatVersion = 1;
const headLength = 6;
