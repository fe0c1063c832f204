import { type Instant, type OutputFormat, outputFormats, renderOne } from "@fleetcert/shared";
import { type Command, Option } from "commander";
import type { Operations } from "../access/operations.ts";
import { type Column, renderList } from "./output/render.ts";

/** What a command may touch of the world. */
export interface CliContext {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether a person can be asked on this terminal. */
  readonly isInteractive: boolean;
  /** Asks yes or no; only called when interactive. */
  readonly confirm: (question: string) => Promise<boolean>;
  readonly now: () => Instant;
  readonly connect: (options: ConnectOptions) => Promise<Operations>;
}

/** Which controller a command talks to. */
export interface ConnectOptions {
  readonly data?: string;
  readonly url?: string;
  readonly cert?: string;
  readonly key?: string;
  /** File with the passphrase of the key. */
  readonly keyPassphrase?: string;
  readonly root?: string;
  /** File that holds an API key: a key in an argument would stand in the process list. */
  readonly apiKey?: string;
}

interface GlobalOptions extends ConnectOptions {
  readonly output: OutputFormat;
  readonly json?: boolean;
}

/** The options every command that talks to a controller takes. */
export function addGlobalOptions(program: Command): Command {
  return program
    .option("--data <dir>", "data directory of the controller on this host (FLEETCERT_DATA)")
    .option("--url <url>", "API of a controller elsewhere, with --root and --cert, --key or --api-key")
    .option("--cert <file>", "operator certificate chain, PEM")
    .option("--key <file>", "operator key, PEM")
    .option(
      "--key-passphrase <file>",
      "its passphrase; else NAME.passphrase beside it, or asked for (FLEETCERT_KEY_PASSPHRASE_FILE)",
    )
    .option("--api-key <file>", "file with an API key, instead of --cert and --key (FLEETCERT_API_KEY_FILE)")
    .option("--root <file>", "root certificate of the fleet, PEM")
    .addOption(new Option("-o, --output <format>", "form of the output").choices([...outputFormats]).default("table"))
    .option("--json", "the same as -o json")
    .option("-v, --verbose", "show the trace of an error");
}

/** The output format a command was asked for. */
export function formatOf(command: Command): OutputFormat {
  const options = command.optsWithGlobals<GlobalOptions>();
  return options.json === true ? "json" : options.output;
}

/** Connects as the command's options say. */
export function connect(context: CliContext, command: Command): Promise<Operations> {
  return context.connect(command.optsWithGlobals<GlobalOptions>());
}

/** Prints a listing in the format asked for. */
export function printList<T>(
  context: CliContext,
  command: Command,
  items: readonly T[],
  columns: readonly Column<T>[],
): void {
  context.stdout(renderList(items, columns, formatOf(command)));
}

/** Prints one thing in the format asked for. */
export function printOne(
  context: CliContext,
  command: Command,
  value: object,
  rows: readonly (readonly [string, string])[],
): void {
  context.stdout(renderOne(value, rows, formatOf(command)));
}

/** Fetches every page of a listing, up to `limit` items. */
export async function allPages<T>(
  fetch: (request: { after?: string; limit: number }) => Promise<{ items: readonly T[]; next: string | undefined }>,
  limit: number,
): Promise<T[]> {
  const items: T[] = [];
  let after: string | undefined;
  do {
    const page = await fetch({ limit: Math.min(1000, limit - items.length), ...(after !== undefined && { after }) });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined && items.length < limit);
  return items;
}
