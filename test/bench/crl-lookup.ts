import { assembleSigned, encodeTbsCrl, parseCrl, sha256 } from "@fleetcert/shared";
import { benchSerial, crlTemplate } from "./crl-fixture.ts";
import { mediansOf7 } from "./measure.ts";
import type { Row } from "./run.ts";

/** Parsing a list of 100,000 entries, the first lookup, and a lookup after it, against SHA-256 of the list. */
export async function bench(): Promise<Row[]> {
  const der = assembleSigned(encodeTbsCrl(crlTemplate(100_000)), "P-256", new Uint8Array(71));
  const serial = benchSerial(77_777);
  const thousand = Array.from({ length: 1000 }, (_, index) => benchSerial(index * 97));
  const crl = parseCrl(der);
  const { hash, parse, first, later } = await mediansOf7({
    hash: () => sha256(der),
    parse: () => parseCrl(der),
    first: () => parseCrl(der).find(serial),
    later: () => {
      for (const wanted of thousand) if (crl.find(wanted) === undefined) throw new Error("an entry was not found");
    },
  });
  const of = "sha256 of the list";
  return [
    { name: of, value: hash, unit: "ms" },
    { name: "crl-lookup: parse", value: parse, unit: "ms", ratio: parse / hash, of },
    { name: "crl-lookup: parse and first find", value: first, unit: "ms", ratio: first / hash, of },
    { name: "crl-lookup: later find", value: later, unit: "µs", ratio: later / 1000 / hash, of },
  ];
}
