import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isFleetError, pathFailureOf, validatePath } from "@fleetcert/shared";
import { expect, it } from "vitest";
import { VectorTally, vectorSuite } from "./vector-suite.ts";

interface PkitsCase {
  readonly title: string;
  readonly number: string;
  /** Root first, leaf last. */
  readonly certs: readonly string[];
  readonly crls: readonly string[];
  readonly should_validate: boolean;
  readonly policy: Readonly<Record<string, string>>;
}

vectorSuite({ name: "PKITS", source: "pkits", count: 247 }, (folder) => {
  const cases: PkitsCase[] = JSON.parse(readFileSync(join(folder, "expectations.json"), "utf8"));
  const tally = new VectorTally();
  for (const test of cases) {
    const asks = Object.keys(test.policy).find((name) => name !== "SetUserConstrainedPolicySet");
    if (asks !== undefined) tally.skip(`policy inputs (${asks})`);
    else
      tally.judge(test.title.replace(/^(\S+) \1/, "$1"), { isValid: test.should_validate, why: judge(test, folder) });
  }
  tally.print("PKITS");

  it("reads every case", () => {
    expect(tally.read).toBe(247);
  });

  it("accepts no invalid path", () => {
    expect(tally.falseAccepts).toEqual([]);
  });

  it("rejects no valid path but the known ones", () => {
    expect(tally.falseRejects.map((line) => line.split(" ")[0])).toEqual(knownRefusals);
  });
});

function judge({ certs, crls }: PkitsCase, folder: string): string | undefined {
  const certificate = (name: string): Uint8Array => readFileSync(join(folder, "certs", `${name}.crt`));
  const [root, ...others] = certs.map(certificate);
  const lists = crls.map((name) => readFileSync(join(folder, "crls", `${name}.crl`)));
  try {
    validatePath({
      leaf: others.at(-1) as Uint8Array,
      intermediates: others.slice(0, -1),
      roots: [root as Uint8Array],
      at: pkitsTime,
      purpose: "any",
      crls: { lists, requireFor: "chain" },
    });
    return undefined;
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return pathFailureOf(error) ?? error.code;
  }
}

/** The suite is valid from 2010 to 2030. */
const pkitsTime = Date.UTC(2016, 0, 1);

/** Valid by the suite, refused here on purpose; each line says why. */
const knownRefusals = [
  // DSA keys are not accepted.
  ...["4.1.4", "4.1.5"],
  // RFC 5280 §4.1.2.2: serial numbers are positive.
  ...["4.4.14"],
  // Lists signed by a key that is in no certificate above the one in question.
  ...["4.4.19", "4.5.4", "4.5.6"],
  // RFC 5280 §4.2.1.9: basic constraints of a CA are critical.
  ...["4.6.4"],
  // Policy constraints are refused, never ignored; where they are not critical, that alone is against RFC 5280 §4.2.1.11.
  ...["4.8.6", "4.8.10", "4.8.11", "4.9.1", "4.9.2", "4.9.4", "4.9.6", "4.10.9", "4.10.11", "4.10.13", "4.10.14"],
  ...["4.11.2", "4.11.4", "4.11.7", "4.12.2", "4.12.3", "4.12.7", "4.12.9"],
  // Indirect lists are refused.
  ...["4.14.22", "4.14.24", "4.14.25", "4.14.28", "4.14.29", "4.14.30", "4.14.33"],
];
