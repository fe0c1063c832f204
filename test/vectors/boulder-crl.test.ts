import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { lintCrl, pemDecode } from "@fleetcert/shared";
import { expect, it } from "vitest";
import { vectorSuite } from "./vector-suite.ts";

vectorSuite({ name: "Boulder CRL lints", source: "boulder-crl", count: 47 }, (folder) => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".pem"));
  const findings = new Map(files.map((file) => [file.replace(/^crl_|\.pem$/g, ""), lint(join(folder, file))]));
  const clean = [...findings.values()].filter((names) => names.length === 0).length;
  process.stdout.write(
    `Boulder CRL lints: read ${findings.size}, clean ${clean}, with defects ${findings.size - clean}, skipped 0\n`,
  );

  it("reads every file", () => {
    expect([...findings.keys()].toSorted()).toEqual(Object.keys(expected).toSorted());
  });

  for (const [name, defect] of Object.entries(expected)) {
    if (defect === undefined) continue;
    it(`names the defect of ${name}: ${defect}`, () => {
      expect(findings.get(name)).toContain(defect);
    });
  }

  it("finds nothing in the good lists", () => {
    expect(findings.get("good")).toEqual([]);
    expect(findings.get("good_subordinate_ca")).toEqual([]);
  });

  it("finds nothing wrong with the dates that are good for their year", () => {
    // Both files break other rules on purpose: only the form of the dates is good in them.
    for (const name of ["good_gentime_2050", "good_utctime_1950"]) {
      expect(findings.get(name)).not.toContain("time-wrong-type");
      expect(findings.get(name)).not.toContain("time-malformed");
    }
  });

  it("finds nothing wrong with the reasons public CAs may give", () => {
    for (const reason of [1, 3, 4, 5, 9]) {
      expect(findings.get(`reason_${reason}`)?.filter((name) => name.startsWith("reason"))).toEqual([]);
    }
  });
});

const lint = (path: string): string[] => {
  const [der] = pemDecode(readFileSync(path, "utf8"), "X509 CRL");
  return lintCrl(der as Uint8Array, "web");
};

/** The defect each file is named after; undefined for the good ones. */
const expected: Readonly<Record<string, string | undefined>> = {
  aia: "authority-info-access",
  aki_name_and_serial: "authority-key-id-not-key",
  cert_issuer: "certificate-issuer-outside-indirect",
  critical_number: "number-critical",
  critical_reason: "reason-critical",
  delta: "delta-not-critical",
  empty_revoked: "revoked-list-empty",
  freshest: "freshest-crl",
  gentime_2049: "time-wrong-type",
  gentime_revoked_2049: "time-wrong-type",
  good: undefined,
  good_gentime_2050: undefined,
  good_subordinate_ca: undefined,
  good_utctime_1950: undefined,
  idp_distributionPoint_and_onlyCA: "scope-point-without-user",
  idp_distributionPoint_and_onlyUser_and_onlyCA: "scope-user-and-ca",
  idp_https: "scope-uri-not-http",
  idp_no_dpn: "scope-user-without-point",
  idp_no_fullname: "scope-name-malformed",
  idp_no_uris: "scope-name-malformed",
  idp_no_usercerts: "scope-point-without-user",
  idp_some_reasons: "scope-some-reasons",
  idp_two_uris: "scope-several-uris",
  long_number: "number-too-long",
  long_validity: "validity-too-long",
  long_validity_distributionPoint_and_subordinate_ca: "scope-point-without-user",
  long_validity_subordinate_ca: "validity-too-long",
  long_validity_subscriber_cert: "validity-too-long",
  negative_validity: "validity-negative",
  negative_validity_subordinate_ca: "validity-negative",
  negative_validity_subscriber_cert: "validity-negative",
  no_aki: "authority-key-id-missing",
  no_idp: "scope-missing",
  no_issuer_name: "issuer-empty",
  no_number: "number-missing",
  none_revoked: undefined,
  reason_0: "reason-unspecified",
  reason_1: undefined,
  reason_2: "reason-not-allowed",
  reason_3: undefined,
  reason_4: undefined,
  reason_5: undefined,
  reason_6: "reason-not-allowed",
  reason_8: "reason-remove-outside-delta",
  reason_9: undefined,
  reason_10: "reason-not-allowed",
  utctime_no_seconds: "time-malformed",
};
