import { fromNow, type Instant, when } from "@fleetcert/shared";
import type { DeviceDetails } from "../../access/operations.ts";
import { quoteRows } from "../quote.ts";

/** What a person is shown of the evidence for a device's key: which TPM, by what it was believed, and since when. */
export function attestationRows({ attestation, quote }: DeviceDetails, now: Instant): [string, string][] {
  if (attestation === undefined) return [["attestation", "none: no TPM has proven this device's key"]];
  const { manufacturer, model, firmware, provenAt, certifiedAt } = attestation;
  const said = [manufacturer, model, firmware && `firmware ${firmware}`].filter((word) => word !== "");
  return [
    ["attestation", `${grounds[attestation.ground] ?? attestation.ground}, proven ${when(provenAt)}`],
    ["tpm", said.length === 0 ? "not named: it came in without a certificate" : said.join(" ")],
    ["endorsement key", attestation.endorsementKeySha256],
    ["key last certified", `${when(certifiedAt)} (${fromNow(certifiedAt, now)})`],
    ...(quote === undefined ? [] : quoteRows(quote, now)),
  ];
}

const grounds: Readonly<Record<string, string>> = {
  manufacturer: "certificate of a configured manufacturer",
  "allow-list": "endorsement key on the allow-list",
};
