import { type Duration, FleetError, parseCertificate, parseDuration, spkiSha256, when } from "@fleetcert/shared";
import type { Command } from "commander";
import type { RolloverBeginRequest, RolloverView } from "../access/rollover-operations.ts";
import { readPassphrase } from "../adapters/files/data-directory.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { registerDistrust } from "./ca-distrust.ts";
import { type CliContext, connect, formatOf, printOne } from "./context.ts";
import { bar, short } from "./output/human.ts";
import { renderList } from "./output/render.ts";
import { publishChange } from "./publish-change.ts";
import type { RenewedTrust, TrustChange } from "./renew-trust.ts";
import { wholeNumber } from "./whole-number.ts";

/** `ca rollover plan|start|status|resume|finish`: another issuing CA, or another root too, for a fleet that works. */
export function registerCaRollover(program: Command, context: CliContext): void {
  const ca = program.command("ca").description("the issuing CA");
  registerDistrust(ca, context);
  const rollover = ca
    .command("rollover")
    .description(
      "change the issuing CA, or the root too: bundle with both, acknowledgements, switch, waves, bundle without the old",
    );
  rollover
    .command("plan")
    .description("what a rollover would meet: devices by class, who issues; changes nothing")
    .action(async (_options: object, command: Command) => {
      printStatus(context, command, await (await connect(context, command)).rollover.status(remoteActor));
    });
  rollover
    .command("start")
    .description("with the root key: make another issuing CA and publish the bundle with both")
    .option("--new-root", "make another root too, which certifies the new issuing CA")
    .option("--root-key <place>", "with --new-root: where its key lives, as for init; encrypted files when absent")
    .option(
      "--new-passphrase-file <file>",
      "with --new-root: passphrase of the new root key; else a random one is made",
    )
    .option("--no-bridge", "with --new-root: the present root does not vouch for the new one")
    .option("--passphrase-file <file>", "passphrase of the present root key, on the first line")
    .option("--root-key-dir <dir>", "where the present root key lies, when it was moved")
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
      const change = { addsIssuer: true, ...(await newRootOf(flags)) };
      const { bundle, newRoot } = await publishChange(context, command, change);
      const newest = bundle.issuers.at(-1) as Uint8Array;
      const begun = await operations.rollover.begin(
        remoteActor,
        requestOf(spkiSha256(parseCertificate(newest).spki), flags),
      );
      printStatus(context, command, begun, newRoot);
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
    .description(
      "with the root key: publish the bundle without the old issuing CA, and without the old root if that changed",
    )
    .option("--no-bridge", "lead nobody from the old root to the new one any more: its key may be another's")
    .option("--passphrase-file <file>", "passphrase of the (new) root key, on the first line")
    .option("--root-key-dir <dir>", "where the (new) root key lies, when it was moved")
    .action(async (_options: object, command: Command) => {
      const operations = await connect(context, command);
      const { rollover: found } = await operations.rollover.status(remoteActor);
      if (found?.state !== "retiring") {
        throw new FleetError("conflict", `the rollover is ${found?.state ?? "not begun"}: it cannot be finished`, {
          hint: "it can once every wave has passed: fleetcert ca rollover status",
        });
      }
      const isRoot = found.fromRoot !== found.toRoot;
      const { bridge } = command.optsWithGlobals<StartFlags>();
      await publishChange(context, command, {
        retiredIssuer: found.from,
        ...(isRoot && { retiredRoot: found.fromRoot }),
        ...(bridge === false && { withoutBridges: true }),
      });
      printStatus(context, command, await operations.rollover.finish(remoteActor));
    });
}

interface StartFlags {
  readonly newRoot?: boolean;
  readonly rootKey?: string;
  readonly newPassphraseFile?: string;
  readonly bridge: boolean;
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

async function newRootOf({ newRoot, rootKey = "", newPassphraseFile, bridge }: StartFlags): Promise<TrustChange> {
  if (newRoot !== true && (rootKey !== "" || newPassphraseFile !== undefined || !bridge)) {
    throw new FleetError("usage", "--root-key, --new-passphrase-file and --no-bridge are for another root", {
      hint: "add --new-root",
    });
  }
  if (newRoot !== true) return {};
  const passphrase = newPassphraseFile === undefined ? undefined : await readPassphrase(newPassphraseFile);
  return { newRoot: { place: rootKey, passphrase }, withoutBridges: !bridge };
}

function printStatus(
  context: CliContext,
  command: Command,
  view: RolloverView,
  newRoot?: RenewedTrust["newRoot"],
): void {
  const { rollover, holders } = view;
  printOne(context, command, { ...view, ...(newRoot && { newRootKey: newRoot }) }, [
    ["issuing", short(view.issuing)],
    ["root", view.root],
    ["state", rollover?.state ?? "no rollover was begun"],
    ...(rollover === undefined
      ? []
      : ([
          ["from, to", `${short(rollover.from)}, ${short(rollover.to)}`],
          ...(rollover.fromRoot === rollover.toRoot
            ? []
            : ([["roots from, to", `${short(rollover.fromRoot)}, ${short(rollover.toRoot)}`]] as const)),
          ["bundle", `${rollover.bundle.era}.${rollover.bundle.version}`],
          ["started", `${when(rollover.startedAt)} by ${rollover.startedBy}`],
          ["switched", when(rollover.switchedAt)],
          ["waves", rollover.rollout === "" ? "-" : `${rollover.rollout} (${view.rolloutState ?? ""})`],
          ["finished", when(rollover.finishedAt)],
        ] as const)),
  ]);
  if (formatOf(command) !== "table") return;
  if (newRoot !== undefined) context.stderr(keepingRoot(newRoot));
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

function keepingRoot({ place, directory, passphraseFile }: NonNullable<RenewedTrust["newRoot"]>): string {
  if (place !== "")
    return "next: keep the new root's token; ca rollover finish and trust renew need it, serve never does\n";
  const files = passphraseFile === "" ? directory : `${directory} and ${passphraseFile}`;
  return `next: move ${files} of the data directory offline, to two places; ca rollover finish and trust renew need them\n`;
}
