import { FleetError } from "@fleetcert/shared";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Store, Transaction } from "../../controller/src/store-port.ts";
import { describeAges } from "./store-ages.ts";
import { everyTableFilled, fillEveryTable, readEveryTable } from "./store-every-table.ts";
import {
  aCertificate,
  aClaim,
  aDevice,
  anAck,
  anAnswer,
  anAttributes,
  anAuditEntry,
  anOperator,
  hex64,
} from "./store-records.ts";
import { describeRevocations } from "./store-revocations.ts";

/** A fresh, empty store; `reopen` closes it and opens what it left, for stores that leave something. */
export interface StoreUnderTest {
  readonly store: Store;
  readonly reopen?: () => Promise<Store>;
  readonly dispose: () => Promise<void>;
}

/** What every store does, whatever it is made of. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`store contract: ${name}`, () => {
    let subject: StoreUnderTest;
    let store: Store;
    const change = (work: (tx: Transaction) => Promise<unknown>) => store.transaction(work);
    const read = <T>(work: (tx: Transaction) => Promise<T>) => store.transaction(work);

    beforeEach(async () => {
      subject = await open();
      ({ store } = subject);
    });
    afterEach(() => subject.dispose());

    describe("rows", () => {
      it("gives every record back as it was put", async () => {
        await change(fillEveryTable);
        expect(await read(readEveryTable)).toEqual(everyTableFilled);
      });

      it("finds nothing in an empty store", async () => {
        const found = await read(readEveryTable);
        expect(Object.values(found).flat().filter(Boolean)).toEqual([]);
      });

      it("replaces the record with the same key", async () => {
        await change(fillEveryTable);
        await change(async (tx) => {
          await tx.devices.put(aDevice({ lastSeenAt: 7, state: "suspended", stateReason: "lost" }));
          await tx.claims.put(aClaim({ uses: 3, revokedAt: 9, allowedDevices: [], reenrols: "edge-1" }));
          await tx.certificates.put(aCertificate(1, { state: "proven", provenAt: 5 }));
          await tx.settings.put("colour", "blue");
        });
        const found = await read(readEveryTable);
        expect(found.device).toEqual(aDevice({ lastSeenAt: 7, state: "suspended", stateReason: "lost" }));
        expect(found.claim).toEqual(aClaim({ uses: 3, revokedAt: 9, allowedDevices: [], reenrols: "edge-1" }));
        expect(found.certificates).toEqual([aCertificate(1, { state: "proven", provenAt: 5 })]);
        expect(found.setting).toBe("blue");
      });

      it("keeps text and octets of any content", async () => {
        const der = Uint8Array.from({ length: 256 }, (_, index) => index);
        const odd = `nul \0 quote ' " new\nline \u{1f511} \u202e`;
        await change(async (tx) => {
          await tx.certificates.put(aCertificate(1, { der, revocationReason: odd }));
          await tx.devices.put(aDevice({ attributes: anAttributes({ owner: odd, tags: [odd, ""] }) }));
        });
        expect((await read((tx) => tx.certificates.find(hex64(1))))?.der).toEqual(der);
        expect((await read((tx) => tx.certificates.find(hex64(1))))?.revocationReason).toBe(odd);
        expect((await read((tx) => tx.devices.find("edge-1")))?.attributes).toMatchObject({
          owner: odd,
          tags: [odd, ""],
        });
      });

      it("refuses numbers and text that it could not give back, and changes nothing", async () => {
        const bad: ((tx: Transaction) => Promise<void>)[] = [
          (tx) => tx.devices.put(aDevice({ clockOffset: 1.5 })),
          (tx) => tx.devices.put(aDevice({ clockOffset: Number.NaN })),
          (tx) => tx.certificates.put(aCertificate(1, { notAfter: Number.POSITIVE_INFINITY })),
          (tx) => tx.reports.put({ device: "edge-1", receivedAt: 2 ** 60, report: "{}" }),
          (tx) => tx.settings.put("a", "\ud800"),
        ];
        for (const put of bad) await expect(change(put)).rejects.toBeInstanceOf(FleetError);
        const found = await read(readEveryTable);
        expect(Object.values(found).flat().filter(Boolean)).toEqual([]);
      });
    });

    describe("uniqueness", () => {
      it.each([
        ["serial of an issuer", aCertificate(2, { serial: aCertificate(1).serial })],
        ["index in a shard", aCertificate(2, { index: 1 })],
      ])("refuses a second certificate with the same %s", async (_, second) => {
        await change((tx) => tx.certificates.put(aCertificate(1)));
        await expect(change((tx) => tx.certificates.put(second))).rejects.toMatchObject({ code: "already-exists" });
        expect(await read((tx) => tx.certificates.list({ limit: 9 }))).toEqual([aCertificate(1)]);
        expect((await read((tx) => tx.ages.list())).map(({ count }) => count)).toEqual([1]);
      });

      it("lets other issuers and shards use the same numbers", async () => {
        const { serial } = aCertificate(1);
        await change(async (tx) => {
          await tx.certificates.put(aCertificate(1));
          await tx.certificates.put(aCertificate(2, { issuer: "issuer-2", serial, index: 1 }));
          await tx.certificates.put(aCertificate(3, { shard: 2, index: 1 }));
        });
        expect(await read((tx) => tx.certificates.list({ limit: 9 }))).toHaveLength(3);
      });

      it("lets a transaction go on after a refused row", async () => {
        await change(async (tx) => {
          await tx.certificates.put(aCertificate(1));
          await expect(tx.certificates.put(aCertificate(2, { index: 1 }))).rejects.toMatchObject({
            code: "already-exists",
          });
          await tx.settings.put("colour", "red");
        });
        expect(await read((tx) => tx.settings.find("colour"))).toBe("red");
        expect(await read((tx) => tx.certificates.find(hex64(2)))).toBeUndefined();
      });

      it("gives one certificate to one operator", async () => {
        await change((tx) => tx.operators.put(anOperator()));
        await expect(change((tx) => tx.operators.put(anOperator({ name: "bob" })))).rejects.toMatchObject({
          code: "already-exists",
        });
      });

      it("adds an identifier once", async () => {
        const identifier = { kind: "ek", value: "ab", device: "edge-1" } as const;
        await change((tx) => tx.identifiers.add(identifier));
        await change((tx) => tx.identifiers.add(identifier));
        expect(await read((tx) => tx.identifiers.listOf("edge-1"))).toEqual([identifier]);
      });
    });

    describe("order and pages", () => {
      it("pages devices, claims, operators and certificates by key until nothing is left", async () => {
        const ids = ["a", "a-1", "a.1", "a1", "b", "c_2", "z"];
        await change(async (tx) => {
          for (const id of [...ids].reverse()) {
            await tx.devices.put(aDevice({ id }));
            await tx.claims.put(aClaim({ id }));
            await tx.operators.put(anOperator({ name: id, certificateSha256: id }));
          }
          for (const number of [3, 1, 2]) await tx.certificates.put(aCertificate(number));
        });
        for (const table of ["devices", "claims"] as const) {
          const seen = await pages((page) => read(async (tx) => (await tx[table].list(page)).map(({ id }) => id)));
          expect(seen).toEqual([["a", "a-1", "a.1"], ["a1", "b", "c_2"], ["z"]]);
        }
        const names = await pages((page) => read(async (tx) => (await tx.operators.list(page)).map((one) => one.name)));
        expect(names.flat()).toEqual(ids);
        const hashes = await pages((page) =>
          read(async (tx) => (await tx.certificates.list(page)).map((one) => one.sha256)),
        );
        expect(hashes.flat()).toEqual([1, 2, 3].map(hex64));
      });

      it("refuses a page of no natural size", async () => {
        for (const limit of [-1, 1.5, Number.NaN]) {
          await expect(read((tx) => tx.devices.list({ limit }))).rejects.toMatchObject({ code: "request-invalid" });
          await expect(read((tx) => tx.outbox.list(limit))).rejects.toMatchObject({ code: "request-invalid" });
        }
        expect(await read((tx) => tx.devices.list({ limit: 0 }))).toEqual([]);
      });

      it("lists a device's certificates newest generation first, of one slot or of all", async () => {
        await change(async (tx) => {
          await tx.certificates.put(aCertificate(1, { generation: 1 }));
          await tx.certificates.put(aCertificate(2, { generation: 3, slot: "web" }));
          await tx.certificates.put(aCertificate(3, { generation: 2 }));
          await tx.certificates.put(aCertificate(4, { generation: 9, device: "edge-2" }));
        });
        const numbers = (rows: readonly { index: number }[]) => rows.map(({ index }) => index);
        expect(numbers(await read((tx) => tx.certificates.listOf("edge-1")))).toEqual([2, 3, 1]);
        expect(numbers(await read((tx) => tx.certificates.listOf("edge-1", "identity")))).toEqual([3, 1]);
      });

      it("lists certificates of a key oldest first", async () => {
        await change(async (tx) => {
          await tx.certificates.put(aCertificate(1, { spkiSha256: "k", issuedAt: 9 }));
          await tx.certificates.put(aCertificate(2, { spkiSha256: "k", issuedAt: 4 }));
        });
        expect((await read((tx) => tx.certificates.listByKey("k"))).map(({ index }) => index)).toEqual([2, 1]);
      });

      it("counts devices by state", async () => {
        await change(async (tx) => {
          for (const id of ["a", "b", "c"]) await tx.devices.put(aDevice({ id }));
          await tx.devices.put(aDevice({ id: "b", state: "suspended" }));
        });
        expect(await read((tx) => tx.devices.countByState())).toEqual({ active: 2, suspended: 1, retired: 0 });
      });

      it("keeps a device's last ack and forgets expired answers", async () => {
        await change(async (tx) => {
          await tx.acks.put(anAck({ epoch: 3 }));
          await tx.acks.put(anAck({ epoch: 4 }));
          await tx.answers.put(anAnswer({ messageId: "a", expiresAt: 10 }));
          await tx.answers.put(anAnswer({ messageId: "b", expiresAt: 11 }));
          await tx.answers.deleteExpired(10);
        });
        expect(await read((tx) => tx.acks.listOf("issuer-1"))).toEqual([anAck({ epoch: 4 })]);
        expect(await read((tx) => tx.answers.find("edge-1", "a"))).toBeUndefined();
        expect(await read((tx) => tx.answers.find("edge-1", "b"))).toBeDefined();
      });

      it("hands the outbox out in order and never uses an id again", async () => {
        const message = (topic: string) => ({ topic, payload: Uint8Array.of(1), retain: true });
        await change(async (tx) => {
          for (const topic of ["a", "b", "c"]) await tx.outbox.enqueue(message(topic));
        });
        const first = await read((tx) => tx.outbox.list(2));
        expect(first.map(({ topic }) => topic)).toEqual(["a", "b"]);
        await change((tx) => tx.outbox.removeThrough(first[1]?.id ?? 0));
        const rest = await read((tx) => tx.outbox.list(9));
        expect(rest.map(({ topic }) => topic)).toEqual(["c"]);
        await change((tx) => tx.outbox.removeThrough(rest[0]?.id ?? 0));
        await change((tx) => tx.outbox.enqueue(message("d")));
        const [last] = await read((tx) => tx.outbox.list(9));
        expect(last?.id).toBeGreaterThan(rest[0]?.id ?? 0);
      });

      it("appends to the audit only what follows the last entry", async () => {
        await change((tx) => tx.audit.append(anAuditEntry()));
        for (const sequence of [0, 1, 3]) {
          await expect(change((tx) => tx.audit.append(anAuditEntry({ sequence })))).rejects.toMatchObject({
            code: "conflict",
          });
        }
        await change((tx) => tx.audit.append(anAuditEntry({ sequence: 2 })));
        expect((await read((tx) => tx.audit.last()))?.sequence).toBe(2);
        expect((await read((tx) => tx.audit.list(2, 5))).map(({ sequence }) => sequence)).toEqual([2]);
        expect(await read((tx) => tx.audit.list(0, 5))).toHaveLength(2);
      });
    });

    describe("transactions", () => {
      it("forgets everything a transaction wrote when it throws", async () => {
        await expect(
          change(async (tx) => {
            await fillEveryTable(tx);
            throw new Error("the reason");
          }),
        ).rejects.toThrow("the reason");
        const found = await read(readEveryTable);
        expect(Object.values(found).flat().filter(Boolean)).toEqual([]);
      });

      it("brings back what a transaction that throws had replaced or removed", async () => {
        await change(fillEveryTable);
        await expect(
          change(async (tx) => {
            await tx.devices.put(aDevice({ attributes: anAttributes({ site: "plant-2" }) }));
            await tx.certificates.put(aCertificate(1, { state: "retired" }));
            await tx.answers.deleteExpired(1e12);
            await tx.outbox.removeThrough(1e12);
            await tx.ages.expire(1e14);
            await tx.settings.put("colour", "none");
            throw new Error("no");
          }),
        ).rejects.toThrow("no");
        expect(await read(readEveryTable)).toEqual(everyTableFilled);
      });

      it("runs transactions alone, in the order of their start", async () => {
        const order: number[] = [];
        const increments = Array.from({ length: 40 }, (_, number) =>
          change(async (tx) => {
            const before = Number((await tx.settings.find("count")) ?? 0);
            for (let turn = 0; turn < number % 3; turn += 1) await Promise.resolve();
            if (number % 5 === 4) throw new Error("one that fails");
            await tx.settings.put("count", String(before + 1));
            order.push(number);
          }).catch(() => undefined),
        );
        await Promise.all(increments);
        expect(await read((tx) => tx.settings.find("count"))).toBe("32");
        expect(order).toEqual([...order].sort((a, b) => a - b));
      });

      it("refuses a transaction within a transaction instead of waiting for ever", async () => {
        await expect(change(() => change(async () => undefined))).rejects.toMatchObject({ code: "internal" });
        await expect(change(async (tx) => tx.settings.put("a", "b"))).resolves.toBeUndefined();
      });

      it("refuses the use of a transaction after its end", async () => {
        const kept = await read(async (tx) => tx);
        await expect(kept.settings.put("colour", "red")).rejects.toMatchObject({ code: "internal" });
        await change(async () => {
          await expect(kept.settings.put("colour", "red")).rejects.toMatchObject({ code: "internal" });
        });
        expect(await read((tx) => tx.settings.find("colour"))).toBeUndefined();
      });

      it("finishes what was asked before it closes, and refuses the rest", async () => {
        const last = change((tx) => tx.settings.put("colour", "red"));
        await store.close();
        await expect(last).resolves.toBeUndefined();
        await expect(read((tx) => tx.settings.find("colour"))).rejects.toMatchObject({ code: "store-failed" });
        await expect(store.close()).resolves.toBeUndefined();
      });

      it("still has everything after it was opened again, where it outlives its process", async () => {
        await change(fillEveryTable);
        store = (await subject.reopen?.()) ?? store;
        expect(await read(readEveryTable)).toEqual(everyTableFilled);
      });
    });

    describeAges(() => store);
    describeRevocations(() => store);
  });
}

async function pages(list: (page: { after?: string; limit: number }) => Promise<string[]>): Promise<string[][]> {
  const seen: string[][] = [];
  for (let page = await list({ limit: 3 }); page.length > 0; ) {
    seen.push(page);
    const after = page.at(-1) ?? "";
    page = await list({ after, limit: 3 });
  }
  return seen;
}
