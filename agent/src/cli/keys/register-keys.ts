import { exitCodes, type KeyAlgorithm, renderListing, renderOne } from "@fleetcert/shared";
import { type Command, Option } from "commander";
import { type CliContext, dataOf, formatOf, QuietExit } from "../context.ts";
import { showFindings } from "../finding.ts";
import type { KeyView } from "./key-inventory.ts";
import type { KeyTest } from "./test-keys.ts";

/** `keys …`: what lies in the key store of this device, what of it is needed, and whether it works. */
export function registerKeys(program: Command, context: CliContext): void {
  const keys = program.command("keys").description("the keys in this device's key store: token, TPM or files");
  registerList(keys, context);
  registerShow(keys, context);
  registerCreate(keys, context);
  registerDelete(keys, context);
  registerTest(keys, context);
  registerKeysDoctor(keys, context);
}

function registerList(keys: Command, context: CliContext): void {
  keys
    .command("list")
    .description("every key in the store, and what it is needed for")
    .action(async (_options: object, command: Command) => {
      const { withInventory } = await import("./key-inventory.ts");
      const shown = await withInventory(dataOf(command, context), context, async (inventory) => inventory);
      const format = formatOf(command);
      if (format === "json") {
        context.stdout(renderOne({ store: shown.info, keys: shown.keys }, [], "json"));
        return;
      }
      const list = renderListing(shown.keys, { heads: listHeads, rows: shown.keys.map(rowOf) }, format);
      if (format !== "table") {
        context.stdout(list);
        return;
      }
      const { kind, protection, description, serial, algorithms } = shown.info;
      const store: [string, string][] = [
        ["store", `${kind}, ${description}${serial === undefined ? "" : `, serial ${serial}`}`],
        ["protection", protection],
        ["makes", algorithms.join(", ")],
      ];
      context.stdout(renderOne(undefined, store, "table"));
      context.stdout(`\n${list}`);
    });
}

function registerShow(keys: Command, context: CliContext): void {
  keys
    .command("show")
    .description("one key: where it is, what it is needed for, its public key")
    .argument("<key>", "id, the beginning of one, label or reference")
    .action(async (wanted: string, _options: object, command: Command) => {
      const { showKey } = await import("./key-inventory.ts");
      const shown = await showKey(dataOf(command, context), context, wanted);
      const rows = Object.entries(shown).map(([name, value]): [string, string] => [name, `${value ?? "-"}`]);
      context.stdout(renderOne(shown, rows, formatOf(command)));
    });
}

function registerCreate(keys: Command, context: CliContext): void {
  keys
    .command("create")
    .description("make a key that nothing of this agent refers to, for other software of the device")
    .requiredOption("--label <label>", "its label; not one of the agent's own, which are collected")
    .addOption(new Option("--algorithm <name>", "kind of key").choices(algorithms).default("P-256"))
    .action(async ({ label, algorithm }: { label: string; algorithm: KeyAlgorithm }, command: Command) => {
      const { createKey } = await import("./change-keys.ts");
      const made = await createKey(dataOf(command, context), context, { label, algorithm });
      const { id, ref } = made;
      context.stdout(
        renderOne(
          made,
          [
            ["made", label],
            ["id", id],
            ["ref", ref],
          ],
          formatOf(command),
        ),
      );
    });
}

function registerDelete(keys: Command, context: CliContext): void {
  keys
    .command("delete")
    .description(
      "destroy keys nothing refers to: those named, or all that this agent left over; without --yes only shows them",
    )
    .argument("[keys...]", "ids, beginnings of ids, labels or references")
    .option("--yes", "destroy them")
    .option("--foreign", "also keys this agent did not make; they must be named")
    .action(async (wanted: string[], options: { yes?: boolean; foreign?: boolean }, command: Command) => {
      const { deleteKeys } = await import("./change-keys.ts");
      const isDryRun = options.yes !== true;
      const request = { wanted, isDryRun, isForeignTaken: options.foreign === true };
      const doomed = await deleteKeys(dataOf(command, context), context, request);
      const format = formatOf(command);
      if (format === "json") {
        context.stdout(renderOne({ isDryRun, keys: doomed }, [], "json"));
        return;
      }
      context.stdout(renderListing(doomed, { heads: listHeads, rows: doomed.map(rowOf) }, format));
      if (doomed.length > 0) context.stderr(isDryRun ? "nothing was destroyed; with --yes these are\n" : "destroyed\n");
    });
}

function registerTest(keys: Command, context: CliContext): void {
  keys
    .command("test")
    .description(
      "sign with keys and check the signatures, with the time it takes; by default with those that are needed",
    )
    .argument("[keys...]", "ids, beginnings of ids, labels or references")
    .option("--new", "make a key of each kind the store makes, sign with it and destroy it")
    .option(
      "--try-pin",
      "present the PIN though it was refused before or is the token's last try: only if you are sure of it",
    )
    .action(async (wanted: string[], options: { new?: boolean; tryPin?: boolean }, command: Command) => {
      const { testKeys } = await import("./test-keys.ts");
      const request = { wanted, isNew: options.new === true, isAttended: options.tryPin === true };
      const tests = await testKeys(dataOf(command, context), context, request);
      context.stdout(renderListing(tests, { heads: testHeads, rows: tests.map(testRow) }, formatOf(command)));
      if (tests.some(({ error }) => error !== "")) throw new QuietExit(exitCodes.hardware);
    });
}

function registerKeysDoctor(keys: Command, context: CliContext): void {
  keys
    .command("doctor")
    .description("look at everything that signing with these keys needs and say what to do about what is wrong")
    .action(async (_options: object, command: Command) => {
      const { examineKeys } = await import("./examine-keys.ts");
      showFindings(await examineKeys(dataOf(command, context), context), command, context);
    });
}

function rowOf({ id, label, algorithm, usedBy, owner }: KeyView): string[] {
  return [`${id.slice(0, 16)}${id.length > 16 ? "…" : ""}`, label, algorithm ?? "-", usedBy || "nothing", owner];
}

function testRow({ label, algorithm, makeMs, signMs, tlsMs, error }: KeyTest): string[] {
  const time = (ms: number | undefined): string => (ms === undefined ? "-" : `${ms} ms`);
  return [error === "" ? "✔" : "✖", label, algorithm, time(makeMs), time(signMs), time(tlsMs), error];
}

const listHeads = ["id", "label", "algorithm", "needed by", "made by"];
const testHeads = ["", "label", "algorithm", "making", "signing", "signing for TLS", "error"];
const algorithms: readonly KeyAlgorithm[] = ["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"];
