import { type Instant, Serial } from "@fleetcert/shared";
import type { Store } from "../../../controller/src/store-port.ts";
import { aCertificate, aDevice, anAck, anAttributes, aRevocation, hex64 } from "../../contracts/store-records.ts";

/** A fleet that nobody enrolled. */
export interface SyntheticFleet {
  readonly issuer: string;
  /** The epoch every device has acknowledged. */
  readonly epoch: number;
  readonly devices: number;
  /** Entries of its list, once it is published. */
  readonly revoked: number;
  readonly now: Instant;
}

/** Name of a device of the fleet. */
export const syntheticId = (number: number): string => `edge-${number}`;

/** Puts rows as enrolments, reports and acknowledgements would have left them, in a shard of their own, and revocations that wait. */
export async function fillFleet(store: Store, { issuer, epoch, devices, revoked, now }: SyntheticFleet): Promise<void> {
  const row = { issuer, shard, notAfterFrom: now, notAfterTo: now + 90 * day, nextIndex: 0, coveredTo: 131_072 };
  await store.transaction((tx) => tx.shards.put(row));
  for (let first = 0; first < devices; first += batch) {
    await store.transaction(async (tx) => {
      for (let number = first; number < Math.min(devices, first + batch); number += 1) {
        const device = syntheticId(number);
        await tx.devices.put(aDevice({ id: device, lastSeenAt: now, attributes: anAttributes({ site: "" }) }));
        await tx.certificates.put(
          aCertificate(number, {
            ...{ device, issuer, shard, index: number, serial: serialOf(number), der: new Uint8Array(700) },
            ...{ state: "proven", issuedAt: now - day, provenAt: now - day },
            ...{ notBefore: now - day, notAfter: now + 60 * day },
          }),
        );
        await tx.acks.put(anAck({ device, issuer, era: 1, epoch }));
        await tx.reports.put({ device, receivedAt: now, report });
      }
    });
  }
  await store.transaction(async (tx) => {
    for (let index = devices; index < devices + revoked; index += 1) {
      const serial = serialOf(index);
      await tx.revocations.put(aRevocation({ issuer, shard, index, serial, notAfter: now + 60 * day, epoch: 0 }));
    }
  });
}

const serialOf = (index: number): string =>
  Serial.make({ shard, index, random13: new Uint8Array(13).fill(index % 256) }).hex;
const shard = 9;
const day = 86_400_000;
const batch = 1_000;
const report = JSON.stringify({
  ...{ type: "report", agentVersion: "0.1.0", clockOffset: 3, trustEra: 1, trustVersion: 1, desiredVersion: 4 },
  slots: [{ slot: "identity", generation: 1, certificateSha256: hex64(1), journal: "idle", lastError: "" }],
  platform: "linux-x64 node-v24.21.0",
});
