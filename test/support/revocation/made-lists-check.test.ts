import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Hex } from "@fleetcert/shared";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { anEnrolledDevice, startTestController } from "../controller/controller.ts";
import { testPki } from "../pki/test-pki.ts";
import { gnutlsPart } from "../programs/certtool.ts";
import { describeWith } from "../programs/optional-part.ts";
import { keepListsOfBundle, keepMadeList, madeListsVariable } from "./made-lists.ts";
import { checkMadeLists } from "./made-lists-check.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fleetcert-made-"));
  vi.stubEnv(madeListsVariable, folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const check = () => checkMadeLists(folder, { perKind: 50 });

describeWith([gnutlsPart], "the check of all lists made in a run", () => {
  it("sees full, partitioned and delta lists, each once, and finds nothing in what the product makes", async () => {
    const controller = await startTestController({ config: "revocation: {deltaLists: true}" });
    await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.publish();
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    const { faults, counts } = check();
    expect(faults).toEqual([]);
    expect(counts.full).toEqual({ made: 1, shownToOthers: 1 });
    expect(counts.shard.made).toBeGreaterThan(1);
    expect(counts.delta.made).toBeGreaterThan(0);
    keepListsOfBundle(controller.world.pki.envelope);
    expect(check().counts).toEqual(counts);
  });

  it("names one signed by another key: ours, OpenSSL and GnuTLS each see it", async () => {
    const [pki, other] = [await testPki(), await testPki()];
    keepMadeList(await pki.issueCrl({}), other.issuing.certificate.der);
    const faults = check().faults.join("\n");
    expect(faults).toContain("we refuse it");
    expect(faults).toContain("openssl crl -verify says");
    expect(faults).toContain("certtool --verify-crl says");
  });

  it("names a defect that only lint sees, also where the list was kept past it", async () => {
    const pki = await testPki();
    const der = await pki.issueCrl({ entries: [] });
    keepMadeList(der, pki.issuing.certificate.der);
    expect(check().faults).toEqual([]);
    // The content of an INTEGER of the version: 2 becomes 3.
    const at = der.findIndex((octet, index) => octet === 2 && der[index + 1] === 1 && der[index + 2] === 1);
    const spoilt = der.with(at + 2, 2);
    expect(() => keepMadeList(spoilt, pki.issuing.certificate.der)).toThrow("version-not-2");
    const [name = ""] = readdirSync(folder).filter((one) => one.endsWith(".list"));
    writeFileSync(join(folder, name), spoilt);
    renameSync(join(folder, name), join(folder, name.replace(sha256Hex(der), sha256Hex(spoilt))));
    expect(check().faults.join("\n")).toContain("our lint finds version-not-2");
  });
});
