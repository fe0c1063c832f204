import { resolve } from "node:path";
import { type Duration, FleetError, parseCertificate, parseDuration, spkiSha256 } from "@fleetcert/shared";
import type { Command } from "commander";
import type { RolloverBeginRequest, RolloverView } from "../access/rollover-operations.ts";
import { readPassphrase } from "../adapters/files/data-directory.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, formatOf, printOne } from "./context.ts";
import { bar, short, when } from "./output/human.ts";
import { renderList } from "./output/render.ts";
import { requireConfirmation } from "./require-confirmation.ts";
import { runningController } from "./trust-renew.ts";
import { wholeNumber } from "./whole-number.ts";

/** `ca rollover plan|start|status|resume|finish`: another issuing CA for a fleet that works. */
export function registerCaRollover(program: Command, context: CliContext): void {
  const ca = program.command("ca").description("the issuing CA");
  registerDistrust(ca, context);
  const rollover = ca
    .command("rollover")
    .description("change the issuing CA: bundle with both, acknowledgements, switch, waves, bundle without the old");
  rollover
    .command("plan")
    .description("what a rollover would meet: devices by class, who issues; changes nothing")
    .action(async (_options: object, command: Command) => {
      printStatus(context, command, await (await connect(context, command)).rollover.status(remoteActor));
    });
  rollover
    .command("start")
    .description("with the root key: make another issuing CA and publish the bundle with both")
    .option("--passphrase-file <file>", "passphrase of the root key, on the first line")
    .option("--root-key-dir <dir>", "where the root key lies, when it was moved")
    .option("--always <percent>", "share of devices always in contact that has to hold the bundle", wholeNumber(0, 100))
    .option("--daily <percent>", "share of those in contact daily", wholeNumber(0, 100))
    .option("--rare <percent>", "share of those in contact rarely", wholeNumber(0, 100))
    .option("--soak <duration>", "how long each wave of the re-issue is watched", "1h")
    .option("--within <duration>", "over which time the devices of a wave are spread", "0s")
    .action(async (_options: object, command: Command) => {
      const flags = command.optsWithGlobals<StartFlags>();
      const operations = await connect(context, command);
      const { rollover } = await operations.rollover.status(remoteActor);
      if (rollover !== undefined && rollover.state !== "finished") {
        throw new FleetError("conflict", `a rollover is ${rollover.state}`, { hint: "fleetcert ca rollover status" });
      }
      const bundle = await renew(context, command, { addsIssuer: true });
      const newest = bundle.issuers.at(-1) as Uint8Array;
      const begun = await operations.rollover.begin(
        remoteActor,
        requestOf(spkiSha256(parseCertificate(newest).spki), flags),
      );
      printStatus(context, command, begun);
    });
  rollover
    .command("status")
    .description("who holds the bundle, who issues, how far the waves are")
    .action(async (_options: object, command: Command) => {
      printStatus(context, command, await (await connect(context, command)).rollover.status(remoteActor));
    });
  rollover
    .command("resume")
    .description("plan the waves anew after they were rolled back or aborted")
    .action(async (_options: object, command: Command) => {
      printStatus(context, command, await (await connect(context, command)).rollover.resume(remoteActor));
    });
  rollover
    .command("finish")
    .description("with the root key: publish the bundle without the old issuing CA")
    .option("--passphrase-file <file>", "passphrase of the root key, on the first line")
    .option("--root-key-dir <dir>", "where the root key lies, when it was moved")
    .action(async (_options: object, command: Command) => {
      const operations = await connect(context, command);
      const { rollover: found } = await operations.rollover.status(remoteActor);
      if (found?.state !== "retiring") {
        throw new FleetError("conflict", `the rollover is ${found?.state ?? "not begun"}: it cannot be finished`, {
          hint: "it can once every wave has passed: fleetcert ca rollover status",
        });
      }
      await renew(context, command, { retiredIssuer: found.from });
      printStatus(context, command, await operations.rollover.finish(remoteActor));
    });
}

/** `ca distrust`: the issuing CA's key is somebody else's; docs/runbooks/stolen-issuing-key.md. */
function registerDistrust(ca: Command, context: CliContext): void {
  ca.command("distrust")
    .description("with the root key: revoke an issuing CA that issues no more; every certificate of it ends at once")
    .argument("<issuer>", "SPKI SHA-256, hex")
    .option("--passphrase-file <file>", "passphrase of the root key, on the first line")
    .option("--root-key-dir <dir>", "where the root key lies, when it was moved")
    .option("--yes", "do not ask")
    .action(async (issuer: string, options: { yes?: boolean }, command: Command) => {
      const operations = await connect(context, command);
      const { issuers } = await operations.trust.show(remoteActor);
      if (!issuers.some(({ id }) => id === issuer)) {
        throw new FleetError("not-found", `issuing CA ${short(issuer)} is not in the trust bundle`, {
          hint: "fleetcert trust show",
        });
      }
      const { issuing, rollover } = await operations.rollover.status(remoteActor);
      if (issuing === issuer) {
        throw new FleetError("conflict", "the issuing CA still issues: nobody could get another certificate", {
          hint: "first: fleetcert ca rollover start --always 0 --daily 0 --rare 0 --soak 1s",
        });
      }
      const question = `Distrust ${short(issuer)}? Devices that still have its certificate are locked out.`;
      await requireConfirmation(context, options, question);
      const { era, version } = await renew(context, command, { retiredIssuer: issuer, isDistrusted: true });
      if (rollover?.from === issuer && rollover.state === "retiring") await operations.rollover.finish(remoteActor);
      printOne(context, command, { distrusted: issuer, era, version }, [
        ["distrusted", issuer],
        ["bundle", `${era}.${version}`],
      ]);
    });
}

interface StartFlags {
  readonly data?: string;
  readonly passphraseFile?: string;
  readonly rootKeyDir?: string;
  readonly always?: number;
  readonly daily?: number;
  readonly rare?: number;
  readonly soak: string;
  readonly within: string;
}

function requestOf(to: string, { always, daily, rare, soak, within }: StartFlags): RolloverBeginRequest {
  const milliseconds = (text: string): Duration => parseDuration(text);
  return {
    ...{ to, soak: milliseconds(soak), spread: milliseconds(within) },
    thresholds: {
      ...(always !== undefined && { always }),
      ...(daily !== undefined && { daily }),
      ...(rare !== undefined && { rare }),
    },
  };
}

/** Makes and publishes a bundle with the root key; the controller has to run, for devices have to take it. */
async function renew(
  context: CliContext,
  command: Command,
  change: { readonly addsIssuer?: boolean; readonly retiredIssuer?: string; readonly isDistrusted?: boolean },
) {
  const { data, passphraseFile, rootKeyDir } = command.optsWithGlobals<StartFlags>();
  const directory = data ?? process.env["FLEETCERT_DATA"];
  if (directory === undefined)
    throw new FleetError("usage", "no data directory was named", { hint: "give --data DIR" });
  const controller = await runningController(context, command);
  if (controller === undefined) {
    throw new FleetError("offline", "the controller does not run: nobody would take the bundle", {
      hint: "fleetcert serve --data DIR",
    });
  }
  const { renewTrust } = await import("./renew-trust.ts");
  return await renewTrust({
    data: resolve(directory),
    ...(rootKeyDir !== undefined && { rootKeyDirectory: rootKeyDir }),
    rootPassphrase: passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile),
    controller,
    ...change,
  });
}

function printStatus(context: CliContext, command: Command, view: RolloverView): void {
  const { rollover, holders } = view;
  printOne(context, command, view, [
    ["issuing", short(view.issuing)],
    ["state", rollover?.state ?? "no rollover was begun"],
    ...(rollover === undefined
      ? []
      : ([
          ["from, to", `${short(rollover.from)}, ${short(rollover.to)}`],
          ["bundle", `${rollover.bundle.era}.${rollover.bundle.version}`],
          ["started", `${when(rollover.startedAt)} by ${rollover.startedBy}`],
          ["switched", when(rollover.switchedAt)],
          ["waves", rollover.rollout === "" ? "-" : `${rollover.rollout} (${view.rolloutState ?? ""})`],
          ["finished", when(rollover.finishedAt)],
        ] as const)),
  ]);
  if (formatOf(command) !== "table") return;
  const table = renderList(
    holders,
    [
      { head: "contact", text: ({ connectivity }) => connectivity },
      { head: "devices", text: ({ devices }) => String(devices) },
      { head: "hold the bundle", text: ({ holding, devices }) => `${holding}/${devices} ${bar(holding, devices, 20)}` },
      { head: "needed", text: ({ connectivity }) => `${rollover?.thresholds[connectivity] ?? "-"} %` },
      { head: "of the new CA", text: ({ reissued }) => String(reissued) },
    ],
    "table",
  );
  context.stdout(`\n${table}`);
}
