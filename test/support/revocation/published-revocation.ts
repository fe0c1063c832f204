import {
  decodeEnvelope,
  decodeMessage,
  formatTopic,
  type HeadShard,
  joinParts,
  type Message,
  type RevocationHead,
} from "@fleetcert/proto";
import { decodeSnapshot, parseCertificate, parseCrl, sha256Hex, verifyCrl } from "@fleetcert/shared";
import type { TestController } from "../controller/controller.ts";

/** What an agent reads and verifies from the retained topics: the head, each shard's list and its snapshot. */
export async function readPublished(controller: TestController) {
  await controller.outbox.drain();
  const { issuer } = controller.revocation;
  const message = openHead(controller.retained.get(formatTopic({ type: "head", issuer })));
  const head = message.body as RevocationHead;
  const lists = head.shards.map((shard) => listOf(controller, issuer, shard));
  const snapshots = head.shards.map((shard) => snapshotOf(controller, issuer, shard));
  return { message, head, lists, snapshots };
}

function openHead(envelope: Uint8Array | undefined): Message {
  if (envelope === undefined) throw new Error("no head is retained");
  return decodeMessage(decodeEnvelope(envelope).payload);
}

function listOf(controller: TestController, issuer: string, { shard, crlEpoch, crlLength, crlSha256 }: HeadShard) {
  const der = joinParts(partsOf(controller, { type: "crl-part", issuer, shard, epoch: crlEpoch }), crlLength);
  if (sha256Hex(der) !== Buffer.from(crlSha256).toString("hex")) throw new Error("the list is not the head's");
  const crl = parseCrl(der);
  verifyCrl({ crl, issuer: parseCertificate(controller.world.pki.issuing.der), at: controller.world.clock.now() });
  return crl;
}

function snapshotOf(controller: TestController, issuer: string, head: HeadShard) {
  const { shard, snapshotEpoch: epoch, snapshotLength, snapshotSha256, coveredTo } = head;
  const bytes = joinParts(partsOf(controller, { type: "snapshot-part", issuer, shard, epoch }), snapshotLength);
  if (sha256Hex(bytes) !== Buffer.from(snapshotSha256).toString("hex"))
    throw new Error("the snapshot is not the head's");
  return decodeSnapshot(bytes, coveredTo);
}

function partsOf(
  { retained }: TestController,
  whole: {
    readonly type: "crl-part" | "snapshot-part";
    readonly issuer: string;
    readonly shard: number;
    readonly epoch: number;
  },
): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let part = 0; ; part++) {
    const payload = retained.get(formatTopic({ ...whole, part }));
    if (payload === undefined) return parts;
    parts.push(payload);
  }
}
