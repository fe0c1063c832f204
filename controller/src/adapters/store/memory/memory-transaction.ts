import { FleetError } from "@fleetcert/shared";
import type { RevocationPlace, Transaction } from "../../../store-port.ts";
import { checkLimit } from "../check-values.ts";
import { expireAges, putCertificate, putDevice } from "./memory-ages.ts";
import { memoryApproval } from "./memory-approval.ts";
import { countApplied, countClasses, glanceAt, listBehind } from "./memory-counts.ts";
import { compositeKey, orderBy, pageBehind, pageOf } from "./order.ts";
import type { MemoryTables } from "./tables.ts";

/** The store port over the memory tables; `tables` throws once the transaction is over. */
export function memoryTransaction(tables: () => MemoryTables): Transaction {
  return {
    ...inventory(tables),
    ...signing(tables),
    ...revocation(tables),
    ...messages(tables),
    ...governance(tables),
    ...rotation(tables),
    ...memoryApproval(tables),
  };
}

function inventory(
  tables: () => MemoryTables,
): Pick<Transaction, "devices" | "identifiers" | "claims" | "attestations" | "quotes" | "certificates"> {
  return {
    devices: {
      find: async (id) => tables().devices.find(id),
      put: async (device) => putDevice(tables(), device),
      list: async ({ after = "", limit }) =>
        pageOf(tables().devices.group("all", ""), ({ id }) => id, { after, limit: checkLimit(limit) }),
      countByState: async () => ({
        active: tables().devices.group("state", "active").length,
        suspended: tables().devices.group("state", "suspended").length,
        retired: tables().devices.group("state", "retired").length,
      }),
      countActive: async () => countClasses(tables().devices.group("state", "active")),
    },
    identifiers: {
      devicesOf: async (kind, value) =>
        tables()
          .identifiers.group("value", compositeKey(kind, value))
          .map(({ device }) => device),
      add: async (identifier) => tables().identifiers.put(identifier),
      listOf: async (device) => [...tables().identifiers.group("device", device)],
    },
    claims: {
      find: async (id) => tables().claims.find(id),
      put: async (claim) => tables().claims.put(claim),
      list: async ({ after = "", limit }) =>
        pageOf(tables().claims.group("all", ""), ({ id }) => id, { after, limit: checkLimit(limit) }),
    },
    attestations: {
      find: async (device) => tables().attestations.find(device),
      put: async (attestation) => tables().attestations.put(attestation),
    },
    quotes: {
      find: async (device) => tables().quotes.find(device),
      put: async (quote) => tables().quotes.put(quote),
    },
    certificates: {
      find: async (sha256) => tables().certificates.find(sha256),
      findBySerial: async (issuer, serial) => tables().certificates.group("serial", compositeKey(issuer, serial))[0],
      listOf: async (device, slot) =>
        tables()
          .certificates.group("device", device)
          .filter((certificate) => slot === undefined || certificate.slot === slot),
      put: async (certificate) => putCertificate(tables(), certificate),
      list: async ({ after = "", limit }) =>
        pageOf(tables().certificates.group("all", ""), ({ sha256 }) => sha256, { after, limit: checkLimit(limit) }),
      listByKey: async (spkiSha256) => [...tables().certificates.group("key", spkiSha256)],
    },
  };
}

function signing(tables: () => MemoryTables): Pick<Transaction, "intents" | "shards"> {
  return {
    intents: {
      find: async (tbsSha256) => tables().intents.find(tbsSha256),
      put: async (intent) => tables().intents.put(intent),
      listOpen: async () => [...tables().intents.group("state", "open")],
    },
    shards: {
      find: async (issuer, shard) => tables().shards.find(compositeKey(issuer, shard)),
      put: async (shard) => tables().shards.put(shard),
      listOf: async (issuer) => [...tables().shards.group("issuer", issuer)],
    },
  };
}

function revocation(tables: () => MemoryTables): Pick<Transaction, "revocations" | "epochs" | "crls" | "acks"> {
  return {
    revocations: {
      find: async (issuer, serial) => tables().revocations.find(compositeKey(issuer, serial)),
      put: async (row) => tables().revocations.put(row),
      async walk({ issuer, shard, isWaiting, after, limit }, take) {
        const rows = tables().revocations.group("shard", compositeKey(issuer, shard));
        const wanted = isWaiting ? rows.filter(({ epoch }) => epoch === 0) : rows;
        const order = orderBy<RevocationPlace>("index", "serial");
        const page = pageBehind(wanted, (row) => after === undefined || order(row, after) > 0, checkLimit(limit));
        for (const row of page) take(row);
        const last = page.length === limit ? page.at(-1) : undefined;
        return last && { index: last.index, serial: last.serial };
      },
      async waitingShards(issuer) {
        const waiting = tables().revocations.group("epoch", compositeKey(issuer, 0));
        return [...Map.groupBy(waiting, ({ shard }) => shard)].map(([shard, rows]) => ({ shard, count: rows.length }));
      },
      async markPublished({ issuer, shard }, upTo, epoch) {
        const order = orderBy<RevocationPlace>("index", "serial");
        for (const row of [...tables().revocations.group("epoch", compositeKey(issuer, 0))]) {
          if (row.shard === shard && order(row, upTo) <= 0) tables().revocations.put({ ...row, epoch });
        }
      },
    },
    epochs: {
      latest: async (issuer) => tables().epochs.group("issuer", issuer)[0],
      find: async (issuer, epoch) => tables().epochs.group("epoch", compositeKey(issuer, epoch))[0],
      put: async (epoch) => tables().epochs.put(epoch),
      async deleteMadeBefore(issuer, thisUpdate) {
        const { epochs } = tables();
        for (const row of epochs.group("issuer", issuer).filter((one) => one.thisUpdate < thisUpdate)) {
          epochs.delete(compositeKey(row.issuer, row.era, row.epoch));
        }
      },
    },
    crls: {
      latest: async (issuer, shard) => tables().crls.group("shard", compositeKey(issuer, shard))[0],
      put: async (crl) => tables().crls.put(crl),
      find: async (issuer, shard, epoch) => tables().crls.find(compositeKey(issuer, shard, epoch)),
      glanceAt: async (issuer) => glanceAt(tables(), issuer),
      listOf: async (issuer, shard, limit) =>
        tables()
          .crls.group("shard", compositeKey(issuer, shard))
          .slice(0, checkLimit(limit))
          .map(({ epoch, der }) => ({ epoch, length: der.length })),
      async deleteBelow(issuer, shard, epoch) {
        const { crls } = tables();
        for (const row of crls.group("shard", compositeKey(issuer, shard)).filter((one) => one.epoch < epoch)) {
          crls.delete(compositeKey(issuer, shard, row.epoch));
        }
      },
    },
    acks: {
      find: async (device, issuer) => tables().acks.find(compositeKey(issuer, device)),
      put: async (ack) => tables().acks.put(ack),
      listOf: async (issuer) => [...tables().acks.group("issuer", issuer)],
      countApplied: async (issuer, epoch) => countApplied(tables(), { issuer, epoch }),
      listBehind: async (issuer, behind) => listBehind(tables(), { issuer, ...behind }),
    },
  };
}

function messages(
  tables: () => MemoryTables,
): Pick<Transaction, "answers" | "sequences" | "courierContacts" | "contacts" | "reports" | "outbox"> {
  return {
    answers: {
      find: async (device, messageId) => tables().answers.find(compositeKey(device, messageId)),
      put: async (answer) => tables().answers.put(answer),
      async deleteExpired(now) {
        const { answers } = tables();
        const rows = answers.group("all", "");
        const kept = rows.findIndex(({ expiresAt }) => expiresAt > now);
        for (const row of rows.slice(0, kept === -1 ? rows.length : kept)) {
          answers.delete(compositeKey(row.device, row.messageId));
        }
      },
    },
    sequences: {
      find: async (device, generation, stream) => tables().sequences.find(compositeKey(device, generation, stream)),
      put: async (sequence) => tables().sequences.put(sequence),
    },
    courierContacts: {
      find: async (device) => tables().courierContacts.find(device),
      put: async (contact) => tables().courierContacts.put(contact),
    },
    contacts: {
      find: async (device) => tables().contacts.find(device),
      put: async (contact) => tables().contacts.put(contact),
    },
    reports: {
      find: async (device) => tables().reports.find(device),
      put: async (report) => tables().reports.put(report),
    },
    outbox: {
      async enqueue({ topic, payload, retain }) {
        const { marks, outbox } = tables();
        const id = (marks.find("outboxId")?.value ?? 0) + 1;
        outbox.put({ id, topic, payload, retain });
        marks.put({ name: "outboxId", value: id });
      },
      list: async (limit) => tables().outbox.group("all", "").slice(0, checkLimit(limit)),
      last: async () => tables().outbox.group("all", "").at(-1)?.id ?? 0,
      count: async (limit) => tables().outbox.group("all", "").slice(0, checkLimit(limit)).length,
      async removeThrough(id) {
        const { outbox } = tables();
        const rows = outbox.group("all", "");
        const kept = rows.findIndex((row) => row.id > id);
        for (const row of rows.slice(0, kept === -1 ? rows.length : kept)) outbox.delete(String(row.id));
      },
    },
  };
}

function governance(tables: () => MemoryTables): Pick<Transaction, "operators" | "audit" | "ages" | "settings"> {
  return {
    operators: {
      find: async (name) => tables().operators.find(name),
      findByCertificate: async (sha256) => tables().operators.group("certificate", sha256)[0],
      put: async (operator) => tables().operators.put(operator),
      list: async ({ after = "", limit }) =>
        pageOf(tables().operators.group("all", ""), ({ name }) => name, { after, limit: checkLimit(limit) }),
    },
    audit: {
      async append(record) {
        const next = (tables().audit.group("all", "").at(-1)?.sequence ?? 0) + 1;
        if (record.sequence !== next) {
          throw new FleetError("conflict", `audit entry ${record.sequence} cannot be appended: the next is ${next}`);
        }
        tables().audit.put(record);
      },
      last: async () => tables().audit.group("all", "").at(-1),
      list: async (from, limit) =>
        // Sequences have no gap, so an entry's place is its sequence less one.
        tables()
          .audit.group("all", "")
          .slice(Math.max(0, from - 1))
          .slice(0, checkLimit(limit)),
    },
    ages: {
      list: async () => [...tables().ages.group("all", "")],
      expire: async (now) => expireAges(tables(), now),
    },
    settings: {
      find: async (key) => tables().settings.find(key)?.value,
      put: async (key, value) => tables().settings.put({ key, value }),
      delete: async (key) => tables().settings.delete(key),
    },
  };
}

function rotation(
  tables: () => MemoryTables,
): Pick<Transaction, "wishes" | "awaitedProofs" | "desiredDigests" | "rollouts" | "rolloutDevices"> {
  return {
    wishes: {
      find: async (device, slot) => tables().wishes.find(compositeKey(device, slot)),
      put: async (wish) => tables().wishes.put(wish),
      remove: async (device, slot) => tables().wishes.delete(compositeKey(device, slot)),
    },
    awaitedProofs: {
      put: async (awaited) => tables().awaitedProofs.put(awaited),
      remove: async (sha256) => tables().awaitedProofs.delete(sha256),
      listOverdue: async (issuedBefore, limit) =>
        tables()
          .awaitedProofs.group("waiting", "")
          .filter(({ issuedAt }) => issuedAt <= issuedBefore)
          .slice(0, checkLimit(limit)),
      listNoted: async ({ after = "", limit }) =>
        pageOf(tables().awaitedProofs.group("noted", ""), ({ sha256 }) => sha256, { after, limit: checkLimit(limit) }),
    },
    desiredDigests: {
      find: async (device) => tables().desiredDigests.find(device),
      put: async (digest) => tables().desiredDigests.put(digest),
    },
    rollouts: {
      find: async (id) => tables().rollouts.find(id),
      put: async (rollout) => tables().rollouts.put(rollout),
      list: async ({ after = "", limit }) =>
        pageOf(tables().rollouts.group("all", ""), ({ id }) => id, { after, limit: checkLimit(limit) }),
    },
    rolloutDevices: {
      put: async (device) => tables().rolloutDevices.put(device),
      listOf: async (rollout, wave) =>
        tables()
          .rolloutDevices.group("rollout", rollout)
          .filter((one) => wave === undefined || one.wave === wave),
    },
  };
}
