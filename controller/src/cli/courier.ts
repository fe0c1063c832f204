import { decodeCourierFile, decodeEnvelope, decodeMessage, maxCourierBytes } from "@fleetcert/proto";
import { type ErrorCode, FleetError, fromNow, isFleetError, when } from "@fleetcert/shared";
import type { Command } from "commander";
import type { CourierAnswerView, CourierDeviceView } from "../access/courier-operations.ts";
import type { Operations } from "../access/operations.ts";
import {
  type BundleFile,
  bundleFiles,
  bundleSuffixes,
  placeIn,
  readBundle,
  writeBundle,
} from "../adapters/courier/bundle-folder.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { allPages, type CliContext, connect, formatOf, printList } from "./context.ts";
import { type Column, renderList } from "./output/render.ts";

/** `courier exchange|collect|status`: for whoever carries bundles between devices without network and the controller. */
export function registerCourier(program: Command, context: CliContext): void {
  const courier = program.command("courier").description("bundles of devices that no network reaches");
  courier
    .command("exchange")
    .description("take bundles to the controller and write the replies; the same again gives the same answers")
    .argument("<in>", "a bundle, or a folder of *.request.fcb")
    .argument("<out>", "where the reply goes: a file for one bundle, a folder for many")
    .action(async (from: string, out: string, _options: object, command: Command) => {
      const operations = await connect(context, command);
      const work = { from, suffix: bundleSuffixes.request };
      await eachBundle(context, command, { ...work, act: (file, isOne) => exchange(operations, file, { out, isOne }) });
    });
  courier
    .command("collect")
    .description("copy sound bundles from one folder to another, both ways; needs no controller")
    .argument("<from>", "a bundle, or a folder: a stick")
    .argument("<to>", "a folder: the laptop's, or the next stick")
    .option("--replies", "copy replies (*.reply.fcb) rather than requests")
    .action(async (from: string, to: string, options: { readonly replies?: true }, command: Command) => {
      const suffix = options.replies === true ? bundleSuffixes.reply : bundleSuffixes.request;
      await eachBundle(context, command, { from, suffix, act: (file) => collect(file, { to, suffix }) });
    });
  courier
    .command("status")
    .description("devices that couriers reach: last contact, certificate, what waits for a proof")
    .option("--filter <expression>", "such as 'site=berlin'")
    .action(async (options: { readonly filter?: string }, command: Command) => {
      const operations = await connect(context, command);
      const items = await allPages((page) => operations.courier.list(remoteActor, { ...page, ...options }), 100_000);
      printList(context, command, items, statusColumns(context));
    });
}

/** What became of one file. */
interface FileResult {
  readonly file: string;
  readonly device: string;
  readonly result: "exchanged" | "repeated" | "collected" | "refused";
  /** In words: what was issued, proven, refused. */
  readonly says: string;
  readonly code: ErrorCode | "";
  readonly wrote: string;
}

/** Does every file, whatever becomes of the others; progress on standard error, a row for each at the end. */
async function eachBundle(
  context: CliContext,
  command: Command,
  work: {
    readonly from: string;
    readonly suffix: string;
    readonly act: (file: BundleFile, isOne: boolean) => Promise<FileResult>;
  },
): Promise<void> {
  const files = await bundleFiles(work.from, work.suffix);
  if (files.length === 0) {
    throw new FleetError("not-found", `there is no *${work.suffix} in ${work.from}`, {
      hint: "on the device: fleetcert-agent bundle export --out FOLDER",
    });
  }
  const isTable = formatOf(command) === "table";
  const results: FileResult[] = [];
  for (const [at, file] of files.entries()) {
    const result = await work.act(file, files.length === 1).catch((error: unknown) => refusedFile(file, error));
    results.push(result);
    if (isTable) context.stderr(`${at + 1}/${files.length} ${result.device || file.name}: ${result.result}\n`);
  }
  context.stdout(renderList(results, resultColumns, formatOf(command)));
  requireAll(results);
}

async function exchange(
  operations: Operations,
  file: BundleFile,
  { out, isOne }: { readonly out: string; readonly isOne: boolean },
): Promise<FileResult> {
  const bundle = await readBundle(file.path);
  if (bundle.length > maxCourierBytes.request) {
    throw new FleetError(
      "message-too-large",
      `${file.path} has ${bundle.length} bytes, a device makes at most ${maxCourierBytes.request}`,
    );
  }
  const done = await operations.courier.exchange(remoteActor, bundle);
  const wrote = await placeIn(out, file, { suffix: bundleSuffixes.reply, isOne });
  await writeBundle(wrote, done.reply);
  const result = done.isRepeated ? "repeated" : "exchanged";
  return { ...{ file: file.path, device: done.device, result, wrote }, says: saidBy(done.answers), code: "" };
}

/** A copy is worth nothing when the original is broken: what is copied was looked through, though not whose it is. */
async function collect(
  file: BundleFile,
  { to, suffix }: { readonly to: string; readonly suffix: string },
): Promise<FileResult> {
  const bytes = await readBundle(file.path);
  const { manifest } = decodeCourierFile(bytes, maxCourierBytes.reply);
  const { sender, recipient } = decodeMessage(decodeEnvelope(manifest).payload);
  const device = sender === "controller" ? recipient : sender;
  const wrote = await placeIn(to, file, { suffix, isOne: false });
  await writeBundle(wrote, bytes);
  return { ...{ file: file.path, device, result: "collected", wrote }, says: `${bytes.length} bytes`, code: "" };
}

/** What belongs to one file; everything else, such as a controller that is away, ends the whole. */
function refusedFile(file: BundleFile, error: unknown): FileResult {
  if (!isFleetError(error) || error.retry || ofTheWhole.has(error.code)) throw error;
  const { code, message, hint } = error;
  const says = hint === undefined ? message : `${message}; ${hint}`;
  return { file: file.path, device: "", result: "refused", says, code, wrote: "" };
}

/** One file's own reason when it was the only one, else how many of them. */
function requireAll(results: readonly FileResult[]): void {
  const refused = results.filter(({ result }) => result === "refused");
  const [first] = refused;
  if (first === undefined) return;
  if (results.length === 1) throw new FleetError(first.code || "message-invalid", `${first.file}: ${first.says}`);
  throw new FleetError(
    "partly-done",
    `${refused.length} of ${results.length} files were refused, first ${first.file}: ${first.says}`,
    {
      hint: "a refused bundle changes nothing; the list says why for each",
    },
  );
}

function saidBy(answers: readonly CourierAnswerView[]): string {
  const told = answers.flatMap(({ asked, answer, slot, generation, code }) => {
    if (answer === "issued") return [`${slot} generation ${generation} issued`];
    if (answer === "confirmed") return [`${slot} generation ${generation} proven`];
    return answer === "refused" ? [`${asked} refused (${code})`] : [];
  });
  const received = answers.filter(({ answer }) => answer === "received").length;
  return [...told, `${received} messages received`].join(", ");
}

function statusColumns(context: CliContext): Column<CourierDeviceView>[] {
  return [
    { head: "device", text: ({ device }) => device },
    { head: "site", text: ({ site }) => site },
    { head: "class", text: ({ connectivity }) => connectivity },
    { head: "last bundle", text: ({ contact }) => (contact ? fromNow(contact.at, context.now()) : "never") },
    { head: "number", text: ({ contact }) => (contact ? `${contact.generation}.${contact.counter}` : "-") },
    { head: "brought by", text: ({ contact }) => contact?.operator ?? "-" },
    { head: "generation", text: ({ certificate }) => String(certificate?.generation ?? "-") },
    { head: "waits for proof", text: ({ waitingForProof }) => String(waitingForProof ?? "-") },
    { head: "expires", text: ({ certificate }) => when(certificate?.notAfter) },
  ];
}

const resultColumns: readonly Column<FileResult>[] = [
  { head: "file", text: ({ file }) => file },
  { head: "device", text: ({ device }) => device },
  { head: "result", text: ({ result }) => result },
  { head: "what", text: ({ says }) => says },
  { head: "code", text: ({ code }) => code },
  { head: "wrote", text: ({ wrote }) => wrote },
];

const ofTheWhole: ReadonlySet<string> = new Set([
  "denied",
  "unauthenticated",
  "offline",
  "timeout",
  "internal",
  "store-failed",
]);
