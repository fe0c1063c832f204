import { assembleSigned, encodeTbsCrl, sha256 } from "@fleetcert/shared";
import { testSigner } from "../support/keys/test-signer.ts";
import { crlTemplate } from "./crl-fixture.ts";
import { mediansOf7 } from "./measure.ts";
import type { Row } from "./run.ts";

/** Building a list of 100,000 entries from a template, against SHA-256 of the result; the goal is at most 5. */
export async function bench(): Promise<Row[]> {
  const template = crlTemplate(100_000);
  const signer = testSigner("P-256");
  const der = assembleSigned(encodeTbsCrl(template), "P-256", new Uint8Array(71));
  const { hash, encode, signed } = await mediansOf7({
    hash: () => sha256(der),
    encode: () => encodeTbsCrl(template),
    signed: async () => {
      const tbs = encodeTbsCrl(template);
      return assembleSigned(tbs, "P-256", await signer.sign(tbs));
    },
  });
  const of = "sha256 of the list";
  return [
    { name: of, value: hash, unit: "ms" },
    { name: "crl-build", value: encode, unit: "ms", ratio: encode / hash, of },
    { name: "crl-build, signed and assembled", value: signed, unit: "ms", ratio: signed / hash, of },
  ];
}
