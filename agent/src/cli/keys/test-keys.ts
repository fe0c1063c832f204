import { createPrivateKey, createPublicKey, randomBytes, sign, verify } from "node:crypto";
import { FleetError, type OpenKeyProvider, type ProviderKey } from "@fleetcert/shared";
import type { CliContext } from "../context.ts";
import { requireKey, withInventory } from "./key-inventory.ts";

/** What came of trying a key; times are medians of one call, in milliseconds. */
export interface KeyTest {
  readonly id: string;
  readonly label: string;
  readonly algorithm: string;
  /** Only of a key that was made for the test. */
  readonly makeMs: number | undefined;
  readonly signMs: number | undefined;
  /** Signing as TLS does; undefined when it cannot. */
  readonly tlsMs: number | undefined;
  /** Empty when every signature verified. */
  readonly error: string;
}

/**
 * Signs with keys and verifies: with those named, else with those the journal refers to; or with a new key of each kind, which is
 * destroyed afterwards. Throws `key-not-found` when none is there, and what opening the key store throws.
 */
export function testKeys(
  data: string,
  context: Pick<CliContext, "env" | "clock">,
  request: { readonly wanted: readonly string[]; readonly isNew: boolean; readonly isAttended: boolean },
): Promise<KeyTest[]> {
  const { wanted, isNew, isAttended } = request;
  return withInventory(
    data,
    context,
    async ({ keys, provider }) => {
      if (isNew) return await testNewKeys(provider);
      const chosen =
        wanted.length > 0 ? wanted.map((one) => requireKey(keys, one)) : keys.filter((key) => key.usedBy !== "");
      if (chosen.length === 0) {
        throw new FleetError("key-not-found", "no key of this store is needed yet", {
          hint: "try --new, or name keys",
        });
      }
      const tests: KeyTest[] = [];
      for (const { id, label, algorithm = "-", ref } of chosen) {
        tests.push(await testOne({ id, label, algorithm }, () => provider.open(ref)));
      }
      return tests;
    },
    { isAttended },
  );
}

async function testNewKeys(provider: OpenKeyProvider): Promise<KeyTest[]> {
  const tests: KeyTest[] = [];
  for (const algorithm of provider.info.algorithms) {
    const label = `test/${algorithm}/${randomBytes(4).toString("hex")}`;
    let makeMs: number | undefined;
    let made: ProviderKey | undefined;
    const test = await testOne({ id: "", label, algorithm }, async () => {
      const begun = milliseconds();
      made = await provider.generate({ algorithm, label });
      makeMs = rounded(milliseconds() - begun);
      return made;
    });
    if (made !== undefined) await provider.destroy(made.ref);
    tests.push({ ...test, makeMs });
  }
  return tests;
}

async function testOne(
  names: Pick<KeyTest, "id" | "label" | "algorithm">,
  open: () => Promise<ProviderKey>,
): Promise<KeyTest> {
  const nothing = { makeMs: undefined, signMs: undefined, tlsMs: undefined };
  try {
    const key = await open();
    const publicKey = createPublicKey({ key: Buffer.from(key.spki), format: "der", type: "spki" });
    const check = (signature: Uint8Array): void => {
      if (verify(hashOf(key), message, publicKey, signature)) return;
      throw new FleetError("signature-invalid", "the key gave a signature that does not verify", {
        hint: "the token or its module is faulty: do not use it",
      });
    };
    const signMs = await medianOf(async () => check(await key.sign(message)));
    const handle = createPrivateKey(key.tlsKey());
    const tlsMs = await medianOf(async () => check(sign(hashOf(key), message, handle)));
    return { ...nothing, ...names, id: key.id, signMs, tlsMs, error: "" };
  } catch (error) {
    return { ...nothing, ...names, error: error instanceof Error ? error.message : String(error) };
  }
}

async function medianOf(run: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 9; round++) {
    const begun = milliseconds();
    await run();
    times.push(milliseconds() - begun);
  }
  return rounded(times.toSorted((a, b) => a - b)[4] ?? 0);
}

const hashOf = ({ algorithm }: ProviderKey): string | null =>
  algorithm === "Ed25519" ? null : algorithm === "P-384" ? "sha384" : "sha256";
const milliseconds = (): number => Number(process.hrtime.bigint()) / 1e6;
const rounded = (ms: number): number => Number(ms.toPrecision(3));
const message = Buffer.from("fleetcert-agent keys test");
