import { lintCrl, parseCertificate, parseCrl, type Serial, validatePath } from "@fleetcert/shared";
import { expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { certtoolText, certtoolVerifies, gnutlsPart } from "../../../test/support/programs/certtool.ts";
import { opensslText, opensslVerify } from "../../../test/support/programs/openssl.ts";
import { describeWith } from "../../../test/support/programs/optional-part.ts";
import type { CrlRecord } from "../records.ts";
import { liftHold, recordRevocation } from "./record-revocation.ts";

const hour = 3_600_000;

async function begin(devices: number) {
  const controller = await startTestController({ config: "revocation: {deltaLists: true}" });
  const certificates: Uint8Array[] = [];
  for (let index = 0; index < devices; index++) {
    certificates.push((await anEnrolledDevice(controller, `edge-${index}`)).certificate);
  }
  const serials = certificates.map((der) => parseCertificate(der).serial);
  return { controller, certificates, serials };
}

async function hold(controller: TestController, serial: Serial): Promise<void> {
  const { issuer } = controller.revocation;
  await controller.store.transaction(async (tx) => {
    const certificate = await tx.certificates.findBySerial(issuer, serial.hex);
    if (certificate === undefined) throw new Error("there is no such certificate");
    await recordRevocation(tx, certificate, { reason: "certificateHold", at: controller.world.clock.now() });
  });
}

async function lift(controller: TestController, serial: Serial): Promise<void> {
  const at = controller.world.clock.now();
  const { issuer } = controller.revocation;
  await controller.store.transaction((tx) => liftHold(tx, { issuer, serial: serial.hex, at }));
}

/** The next list with its delta; time passes, so that readers see one after the other. */
async function nextList(controller: TestController, options?: { readonly refreshAll: boolean }): Promise<CrlRecord> {
  controller.world.clock.advance(hour);
  await controller.revocation.publish(options);
  const list = await controller.revocation.crlOf(controller.revocation.issuer, 0);
  if (list === undefined) throw new Error("there is no list");
  return list;
}

const deltaOf = ({ deltaDer = new Uint8Array() }: CrlRecord) => parseCrl(deltaDer);
const entriesOf = (der: Uint8Array) =>
  [...parseCrl(der).entries()].map(({ serial, reason }) => `${serial.hex} ${reason}`).sort();

describeWith([gnutlsPart], "a delta", () => {
  it("holds what came, changed and went since its base, under the number of the list beside it", async () => {
    const { controller, serials } = await begin(4);
    const [stays, held, final, revoked] = serials as [Serial, Serial, Serial, Serial];
    await controller.revocation.revoke("local", { serial: stays.hex, reason: "superseded" });
    await hold(controller, held);
    await hold(controller, final);
    const base = await nextList(controller);
    await lift(controller, held);
    await controller.revocation.revoke("local", { serial: final.hex, reason: "keyCompromise" }).catch(() => undefined);
    await controller.revocation.revoke("local", { serial: revoked.hex, reason: "cessationOfOperation" });
    const list = await nextList(controller, { refreshAll: true });
    const delta = deltaOf(list);
    expect(delta.crlNumber).toBe(BigInt(list.epoch));
    expect(delta.deltaBase).toBeLessThanOrEqual(BigInt(base.epoch));
    expect(applied(base, list)).toEqual(entriesOf(list.der));
    expect([...delta.entries()].find(({ serial }) => serial.equals(held))?.reason).toBe("removeFromCRL");
  });

  it("applied to any list from its base on gives the complete list, over many changes", async () => {
    const { controller, serials } = await begin(6);
    const lists: CrlRecord[] = [await nextList(controller)];
    for (const [index, serial] of serials.entries()) {
      await hold(controller, serial);
      if (index % 2 === 1) await lift(controller, serials[index - 1] as Serial);
      lists.push(await nextList(controller));
    }
    const last = lists.at(-1) as CrlRecord;
    const covered = lists.filter(
      ({ epoch }) => epoch >= (last.deltaBase ?? Number.POSITIVE_INFINITY) && epoch < last.epoch,
    );
    expect(covered.length).toBeGreaterThan(3);
    for (const base of covered) expect(applied(base, last)).toEqual(entriesOf(last.der));
  });

  it("also of a hold that was set and lifted between two lists", async () => {
    const { controller, serials } = await begin(1);
    await nextList(controller);
    await hold(controller, serials[0] as Serial);
    const between = await nextList(controller);
    await lift(controller, serials[0] as Serial);
    const list = await nextList(controller);
    expect(applied(between, list)).toEqual([]);
    expect(applied(between, await nextList(controller, { refreshAll: true }))).toEqual([]);
  });

  it("moves to a newer base when the old one is many lists away", async () => {
    const { controller } = await begin(1);
    const bases = new Set<number | undefined>();
    for (let count = 0; count < 40; count++) bases.add((await nextList(controller, { refreshAll: true })).deltaBase);
    // The first list has none, then two follow each other.
    expect(bases.size).toBe(3);
  });

  it("and its list pass our lint, OpenSSL and GnuTLS, and mean the same to all", async () => {
    const { controller, certificates, serials } = await begin(3);
    await hold(controller, serials[0] as Serial);
    const base = await nextList(controller);
    await lift(controller, serials[0] as Serial);
    await controller.revocation.revoke("local", { serial: (serials[1] as Serial).hex, reason: "keyCompromise" });
    const list = await nextList(controller, { refreshAll: true });
    const deltaDer = list.deltaDer ?? new Uint8Array();
    const { issuing, root } = controller.world.pki;
    for (const der of [base.der, list.der, deltaDer]) {
      expect(lintCrl(der)).toEqual([]);
      expect(certtoolVerifies(der, issuing.der)).toBe(true);
      expect(certtoolText(der)).toContain("CRL Number");
    }
    expect(opensslText("crl", deltaDer)).toContain("X509v3 Delta CRL Indicator: critical");
    expect(opensslText("crl", deltaDer)).toContain("Remove From CRL");
    expect(opensslText("crl", list.der)).toContain("X509v3 Freshest CRL");
    const at = controller.world.clock.now();
    const path = { intermediates: [issuing.der], roots: [root.der], at, purpose: "clientAuth" as const };
    const verdicts = (crls: readonly Uint8Array[]) =>
      certificates.map((leaf) => [
        opensslVerify({ ...path, leaf, crls, leafOnly: true, useDeltas: true }).isAccepted,
        isAcceptedByUs({ ...path, leaf, crls }),
      ]);
    expect(verdicts([base.der])).toEqual([
      [false, false],
      [true, true],
      [true, true],
    ]);
    expect(verdicts([base.der, deltaDer])).toEqual([
      [true, true],
      [false, false],
      [true, true],
    ]);
  });

  it("is not made unless it is wanted", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const list = await nextList(controller, { refreshAll: true });
    expect(list.deltaDer).toBeUndefined();
    expect(opensslText("crl", list.der)).not.toContain("Freshest CRL");
  });
});

/** What somebody has who holds one complete list and applies the delta beside another. */
function applied(base: CrlRecord, list: CrlRecord): string[] {
  const entries = new Map([...parseCrl(base.der).entries()].map(({ serial, reason }) => [serial.hex, reason]));
  for (const { serial, reason } of deltaOf(list).entries()) {
    if (reason === "removeFromCRL") entries.delete(serial.hex);
    else entries.set(serial.hex, reason);
  }
  return [...entries].map(([hex, reason]) => `${hex} ${reason}`).sort();
}

function isAcceptedByUs(
  path: Omit<Parameters<typeof validatePath>[0], "crls"> & { crls: readonly Uint8Array[] },
): boolean {
  const { crls, ...rest } = path;
  try {
    validatePath({ ...rest, crls: { lists: crls, requireFor: "leaf" } });
    return true;
  } catch {
    return false;
  }
}
