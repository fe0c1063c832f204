import { FleetError, isFleetError, renderOne } from "@fleetcert/shared";
import type { Command } from "commander";
import { readReplies, writeBundleFile } from "../adapters/bundle-files.ts";
import { absentLink } from "../adapters/link/absent-link.ts";
import { askLocalSocket } from "../adapters/local-socket.ts";
import type { AppliedReply } from "../courier/apply-reply.ts";
import type { Courier, ExportedBundle } from "../courier/courier.ts";
import { type CliContext, dataOf, formatOf } from "./context.ts";
import { socketPath } from "./data-directory.ts";
import { addEnrolmentOptions, type EnrolmentOptions, enrolmentChanges } from "./enrolment-options.ts";
import { loadConfig, saveConfig } from "./load-config.ts";

/** `bundle export|import`: the exchange with the controller by files, for a device that no network reaches. */
export function registerBundle(program: Command, context: CliContext): void {
  const bundle = program
    .command("bundle")
    .description(
      "exchange with the controller by files that somebody carries; works while the agent runs and while not",
    );
  addEnrolmentOptions(bundle.command("export"))
    .description(
      "write what the controller has to know and be asked: reports, proofs, renewals that are due; of a device that never had a network its enrolment, by a claim",
    )
    .requiredOption("--out <file>", "file to write, or a folder for DEVICE.request.fcb")
    .option("--renew", "ask for a new certificate now, due or not")
    .action(async (options: ExportOptions, command: Command) => {
      const exported = await withCourier(
        command,
        context,
        (courier) => courier.pack({ renew: options.renew === true }),
        options,
      );
      const { bundle: bytes, ...shown } = exported;
      const file = await writeBundleFile(options.out, exported.device, bytes);
      context.stdout(renderOne({ ...shown, file, bytes: bytes.length }, exportRows(exported, file), formatOf(command)));
    });
  bundle
    .command("import")
    .description("apply the reply that came back: certificates, trust, revocations, time")
    .argument("<file>", "the reply, or the folder it lies in among those of other devices")
    .action(async (path: string, _options: object, command: Command) => {
      const replies = await readReplies(path);
      const applied = await withCourier(command, context, (courier) => importOwn(courier, replies, context));
      context.stdout(renderOne(applied, importRows(applied), formatOf(command)));
    });
}

interface ExportOptions extends EnrolmentOptions {
  readonly out: string;
  readonly renew?: true;
}

/** The courier's duty of the agent that runs on the directory, or of one set up for this command alone, without a network. */
async function withCourier<T>(
  command: Command,
  context: CliContext,
  use: (courier: Courier) => Promise<T>,
  options: EnrolmentOptions = {},
): Promise<T> {
  const data = dataOf(command, context);
  const path = socketPath(data);
  if ((await askLocalSocket(path, "GET", "/v1/status")) !== undefined) return await use(overSocket(path));
  const config = await loadConfig(data, context.env, enrolmentChanges(options));
  const { startAgent } = await import("./start-agent.ts");
  const { failpoint } = context;
  const agent = await startAgent(config, { failpoint, log: quietLog, link: absentLink });
  try {
    // What was said of a device that is to enrol is kept for its next commands.
    if (options.claimFile !== undefined) await saveConfig(config);
    return await use(agent.courier);
  } finally {
    await agent.stop();
  }
}

/** The same duty at the other end of a running agent's socket: only one of the two ever writes. */
function overSocket(path: string): Courier {
  return {
    async pack({ renew }) {
      const resource = `/v1/bundle/export${renew ? "?renew=true" : ""}`;
      const { bundle, ...exported } = (await ask(path, resource)) as Omit<ExportedBundle, "bundle"> & {
        bundle: string;
      };
      return { ...exported, bundle: Uint8Array.from(Buffer.from(bundle, "base64")) };
    },
    apply: async (bytes) => (await ask(path, "/v1/bundle/import", bytes)) as AppliedReply,
  };
}

async function ask(path: string, resource: string, body?: Uint8Array): Promise<unknown> {
  const answer = await askLocalSocket(path, "POST", resource, { patienceMs: patience, ...(body && { body }) });
  if (answer === undefined)
    throw new FleetError("offline", `the agent on ${path} has just ended`, { hint: "try again" });
  return answer;
}

/** Of several files the first that this device can use. */
async function importOwn(
  courier: Courier,
  replies: Awaited<ReturnType<typeof readReplies>>,
  { interrupted }: CliContext,
): Promise<AppliedReply> {
  const refusals: FleetError[] = [];
  for (const { bytes } of replies) {
    try {
      return await courier.apply(bytes, interrupted);
    } catch (error) {
      if (replies.length === 1 || !isFleetError(error, ...passedOver)) throw error;
      refusals.push(error);
    }
  }
  throw (
    refusals.find(({ code }) => code !== "bundle-foreign") ??
    refusals[0] ??
    new FleetError("not-found", "there is no reply (*.reply.fcb) in that folder", {
      hint: "fleetcert courier exchange writes them",
    })
  );
}

function exportRows(exported: ExportedBundle, file: string): [string, string][] {
  const { device, generation, counter, news, left } = exported;
  const { renews, proves, enrolsBy } = exported;
  return [
    ["bundle", file],
    ["device", `${device}, generation ${generation}, number ${counter}`],
    ...(enrolsBy === "" ? [] : [["enrols", `by claim ${enrolsBy}; its secret is not in the file`] as [string, string]]),
    ["asks for", named(renews, "no new certificate; --renew asks for one that is not due")],
    ["proves", named(proves, "nothing")],
    ["tells", `${news} events and acknowledgements${left === 0 ? "" : `; ${left} more wait for the next bundle`}`],
    ["next", "take it to somebody who may run: fleetcert courier exchange"],
  ];
}

function importRows({
  device,
  issued,
  confirmed,
  refused,
  epochs,
  problems,
  ...rest
}: AppliedReply): [string, string][] {
  const isNew = Object.keys(issued).length > 0;
  return [
    ["reply", `to ${device}'s bundle ${rest.generation}.${rest.counter}`],
    ["certificates", named(issued, "none")],
    ["proof", named(confirmed, isNew ? "travels with the next bundle; the old key stays until then" : "none was due")],
    [
      "revocations",
      Object.values(epochs)
        .map((epoch) => `epoch ${epoch}`)
        .join(", ") || "none",
    ],
    ["trust", `version ${rest.trustVersion}`],
    ["time", rest.hasTime ? "taken" : "none came"],
    ...refused.map(({ asked, code, message }): [string, string] => ["refused", `${asked}: ${message} (${code})`]),
    ...problems.map((problem): [string, string] => ["problem", problem]),
    ["next", isNew ? "fleetcert-agent bundle export --out FILE, and bring it to the controller" : "nothing"],
  ];
}

function named(generations: Readonly<Record<string, number>>, none: string): string {
  const all = Object.entries(generations).map(([slot, generation]) => `${slot} generation ${generation}`);
  return all.join(", ") || none;
}

const quietLog = { info: () => undefined, warn: () => undefined, error: () => undefined };
/** A key store may take long to make a key. */
const patience = 150_000;
/** In a folder of replies: those of others, and those of yesterday. */
const passedOver = ["bundle-foreign", "bundle-stale", "message-replayed", "bundle-damaged"] as const;
