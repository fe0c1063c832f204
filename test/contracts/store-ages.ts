import { describe, expect, it } from "vitest";
import type { AgeCounter, CertificateRecord } from "../../controller/src/records.ts";
import type { Store, Transaction } from "../../controller/src/store-port.ts";
import { aCertificate, aDevice, anAttributes } from "./store-records.ts";

/** The part of the store contract about age counters. */
export function describeAges(store: () => Store): void {
  const change = (work: (tx: Transaction) => Promise<unknown>) => store().transaction(work);
  const ages = () => store().transaction((tx) => tx.ages.list());
  const deviceAt = (site: string, id = "edge-1") => aDevice({ id, attributes: anAttributes({ site }) });
  const put = (...certificates: CertificateRecord[]) =>
    change(async (tx) => {
      for (const certificate of certificates) await tx.certificates.put(certificate);
    });
  const counter = (some: Partial<AgeCounter> = {}): AgeCounter => ({
    hour: 1,
    site: "",
    profile: "device",
    issuer: "issuer-1",
    count: 1,
    ...some,
  });

  describe("age counters", () => {
    it("count by hour of issuance, site, profile and issuer", async () => {
      await change(async (tx) => tx.devices.put(deviceAt("plant-1")));
      await put(
        aCertificate(1),
        aCertificate(2, { issuedAt: 7_199_999 }),
        aCertificate(3, { issuedAt: 7_200_000 }),
        aCertificate(4, { profile: "web" }),
        aCertificate(5, { issuer: "issuer-0" }),
        aCertificate(6, { device: "unknown" }),
      );
      expect(await ages()).toEqual([
        counter(),
        counter({ site: "plant-1", issuer: "issuer-0" }),
        counter({ site: "plant-1", count: 2 }),
        counter({ site: "plant-1", profile: "web" }),
        counter({ hour: 2, site: "plant-1" }),
      ]);
    });

    it("hold only certificates of devices that are issued or proven", async () => {
      await put(aCertificate(1), aCertificate(2, { state: "proven" }), aCertificate(3, { device: "" }));
      expect(await ages()).toEqual([counter({ count: 2 })]);
      await put(aCertificate(1, { state: "retired" }));
      expect(await ages()).toEqual([counter()]);
      await put(aCertificate(2, { state: "revoked" }), aCertificate(4, { state: "abandoned" }));
      expect(await ages()).toEqual([]);
      await put(aCertificate(2, { state: "proven" }));
      expect(await ages()).toEqual([counter()]);
    });

    it("stay the same when the same certificate is put again", async () => {
      await put(aCertificate(1), aCertificate(1), aCertificate(1, { state: "proven", provenAt: 9 }));
      expect(await ages()).toEqual([counter()]);
    });

    it("follow a device to its site, also when it becomes known later", async () => {
      await put(aCertificate(1), aCertificate(2, { state: "retired" }));
      await change((tx) => tx.devices.put(deviceAt("plant-1")));
      expect(await ages()).toEqual([counter({ site: "plant-1" })]);
      await change((tx) => tx.devices.put(deviceAt("plant-2")));
      expect(await ages()).toEqual([counter({ site: "plant-2" })]);
    });

    it("lose certificates once their notAfter has passed, and say how many", async () => {
      await put(aCertificate(1, { notAfter: 100 }), aCertificate(2, { notAfter: 101 }));
      await put(aCertificate(3, { notAfter: 100, state: "revoked" }));
      expect(await store().transaction((tx) => tx.ages.expire(100))).toBe(0);
      expect(await store().transaction((tx) => tx.ages.expire(101))).toBe(1);
      expect(await store().transaction((tx) => tx.ages.expire(101))).toBe(0);
      expect(await ages()).toEqual([counter()]);
      await put(aCertificate(1, { notAfter: 100, state: "retired" }), aCertificate(4, { notAfter: 99 }));
      expect(await ages()).toEqual([counter()]);
    });

    it("do not move expired certificates with their device", async () => {
      await put(aCertificate(1, { notAfter: 100 }));
      await change((tx) => tx.ages.expire(200));
      await change((tx) => tx.devices.put(deviceAt("plant-1")));
      expect(await ages()).toEqual([]);
    });

    it("count again what a clock that had leapt took out", async () => {
      await put(aCertificate(1, { notAfter: 100 }), aCertificate(2, { notAfter: 1_000 }));
      await change((tx) => tx.ages.expire(5_000));
      expect(await ages()).toEqual([]);
      expect(await store().transaction((tx) => tx.ages.expire(500))).toBe(0);
      expect(await ages()).toEqual([counter()]);
    });
  });
}
