import type { Body, RevocationAck } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import type { DeviceMessage } from "../ports.ts";
import type { AckRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { countAck } from "./propagation.ts";
import type { RevocationParts } from "./revocation.ts";

/**
 * Takes a device's word that it has durably applied an epoch. Throws `revocation-invalid` when the epoch was never
 * published or its head was another. An older epoch than the device named before reopens its acknowledgement.
 */
export async function acceptAck(
  parts: Pick<RevocationParts, "store" | "surroundings">,
  received: DeviceMessage,
  reply: (tx: Transaction, body: Body) => Promise<void>,
): Promise<void> {
  const body = received.message.body as RevocationAck;
  const { device } = received;
  await parts.store.transaction(async (tx) => {
    const epoch = await tx.epochs.find(body.issuer, body.epoch);
    if (epoch === undefined || epoch.era !== body.era || epoch.headSha256 !== toHex(body.headSha256)) {
      throw new FleetError(
        "revocation-invalid",
        `${device} acknowledges epoch ${body.era}.${body.epoch}, which is not ours`,
      );
    }
    const before = await tx.acks.find(device, body.issuer);
    const ack: AckRecord = {
      device,
      issuer: body.issuer,
      era: body.era,
      epoch: body.epoch,
      appliedAt: body.appliedAt,
      receivedAt: parts.surroundings.clock.now(),
      via: body.via,
    };
    if (before !== undefined && before.era === body.era && body.epoch < before.epoch) {
      const details = { issuer: body.issuer, before: String(before.epoch), now: String(body.epoch) };
      parts.surroundings.notices.raise({ name: "epoch.regressed", device, details });
    }
    await tx.acks.put(ack);
    await countAck(tx, { ack, before });
    await reply(tx, { type: "received" });
  });
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
