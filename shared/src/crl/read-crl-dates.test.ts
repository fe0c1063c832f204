import { expect, it } from "vitest";
import { testNow, testPki } from "../../../test/support/pki/test-pki.ts";
import { parseCrl } from "./crl.ts";
import { readCrlDates } from "./read-crl-dates.ts";

it("the dates of a list are those that parsing all of it gives", async () => {
  const pki = await testPki();
  for (const thisUpdate of [testNow, Date.UTC(2060, 1, 1)]) {
    const der = await pki.issueCrl({ thisUpdate, nextUpdate: thisUpdate + 86_400_000 });
    const { thisUpdate: from, nextUpdate: to } = parseCrl(der);
    expect(readCrlDates(der)).toEqual({ thisUpdate: from, nextUpdate: to });
  }
  expect(() => readCrlDates(new Uint8Array(3))).toThrow(expect.objectContaining({ code: "der-invalid" }));
});
