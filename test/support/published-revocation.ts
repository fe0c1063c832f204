import {
  decodeEnvelope,
  decodeMessage,
  formatTopic,
  type HeadShard,
  joinParts,
  type Message,
  type RevocationHead,
} from "@fleetcert/proto";
import { parseCertificate, parseCrl, sha256Hex, verifyCrl } from "@fleetcert/shared";
import type { TestController } from "./controller.ts";

/** What an agent reads and verifies from the retained topics: the head, and each shard's list joined from its parts. */
export async function readPublished(controller: TestController) {
  await controller.outbox.drain();
  const { issuer } = controller.revocation;
  const message = openHead(controller.retained.get(formatTopic({ type: "head", issuer })));
  const head = message.body as RevocationHead;
  const lists = head.shards.map((shard) => listOf(controller, issuer, shard));
  return { message, head, lists };
}

function openHead(envelope: Uint8Array | undefined): Message {
  if (envelope === undefined) throw new Error("no head is retained");
  return decodeMessage(decodeEnvelope(envelope).payload);
}

function listOf(controller: TestController, issuer: string, { shard, crlEpoch, crlLength, crlSha256 }: HeadShard) {
  const parts: Uint8Array[] = [];
  for (let part = 0; ; part++) {
    const topic = formatTopic({ type: "crl-part", issuer, shard, epoch: crlEpoch, part });
    const payload = controller.retained.get(topic);
    if (payload === undefined) break;
    parts.push(payload);
  }
  const der = joinParts(parts, crlLength);
  if (sha256Hex(der) !== Buffer.from(crlSha256).toString("hex")) throw new Error("the list is not the head's");
  const crl = parseCrl(der);
  verifyCrl({ crl, issuer: parseCertificate(controller.world.pki.issuing.der), at: controller.world.clock.now() });
  return crl;
}
