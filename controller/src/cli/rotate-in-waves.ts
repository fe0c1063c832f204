import { FleetError, fromNow, parseDuration, span, when } from "@fleetcert/shared";
import type { Command } from "commander";
import type { Operations } from "../access/operations.ts";
import type { RolloutPlanRequest, RolloutView, WaveView } from "../access/rotation-operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { allPages, type CliContext, connect, formatOf, printList, printOne } from "./context.ts";
import { bar } from "./output/human.ts";
import { type Column, renderList } from "./output/render.ts";
import { requireConfirmation } from "./require-confirmation.ts";
import { wholeNumber } from "./whole-number.ts";

/** `rotate plan|start|pause|resume|abort|rollback|status`: a selection in waves, behind gates. */
export function registerRotateInWaves(rotate: Command, context: CliContext): void {
  registerPlan(rotate, context);
  registerChanges(rotate, context);
  registerStatus(rotate, context);
}

function registerPlan(rotate: Command, context: CliContext): void {
  rotate
    .command("plan")
    .description(
      "fix a selection (--filter, --slot) and its waves; nobody is asked before `rotate start`; --within spreads each wave",
    )
    .option("--waves <shares>", "cumulative shares, `site`, or canaries and then sites: `1%,site`", "1%,10%,50%,100%")
    .option("--proven <percent>", "share of a wave that has to be proven", wholeNumber(1, 100), 95)
    .option("--max-failures <n>", "failures that are borne; one more rolls back", wholeNumber(0, 1_000_000), 0)
    .option("--wave-timeout <duration>", "longest time of a wave; then the rollout pauses", "24h")
    .option("--soak <duration>", "how long a wave that passed is watched", "1h")
    .action(async (_options: object, command: Command) => {
      // What is selected and how it is asked for are options of `rotate` itself.
      const options = command.optsWithGlobals<PlanOptions>();
      if (options.filter === undefined) throw new FleetError("usage", "name the devices: --filter EXPRESSION");
      const operations = await connect(context, command);
      const planned = await operations.rotations.plan(remoteActor, requestOf(options));
      printRollout(context, command, planned);
      if (formatOf(command) === "table") context.stderr(`next: fleetcert rotate start ${planned.id}\n`);
    });
}

interface PlanOptions {
  readonly filter?: string;
  readonly slot: string;
  readonly waves: string;
  readonly proven: number;
  readonly maxFailures: number;
  readonly waveTimeout: string;
  readonly soak: string;
  readonly within: string;
  readonly urgent?: boolean;
  readonly explanation?: string;
}

function requestOf(options: PlanOptions): RolloutPlanRequest {
  const parts = options.waves.split(",").map((part) => part.trim());
  const bySite = parts.at(-1) === "site";
  const percents = (bySite ? parts.slice(0, -1) : parts).map((part) => {
    const percent = Number(/^([0-9]{1,3})\s*%$/.exec(part)?.[1] ?? Number.NaN);
    if (Number.isInteger(percent)) return percent;
    throw new FleetError(
      "usage",
      `--waves ${options.waves}: ${part} is neither a share such as 10% nor \`site\` at the end`,
    );
  });
  return {
    ...{ filter: options.filter ?? "", slot: options.slot, percents, bySite },
    ...{ provenPercent: options.proven, maxFailures: options.maxFailures },
    ...{
      within: parseDuration(options.waveTimeout),
      soak: parseDuration(options.soak),
      spread: parseDuration(options.within),
    },
    ...(options.urgent === true && { isUrgent: true }),
    ...(options.explanation !== undefined && { explanationUrl: options.explanation }),
  };
}

function registerChanges(rotate: Command, context: CliContext): void {
  for (const [name, description, question] of changes) {
    rotate
      .command(name)
      .description(description)
      .argument("<id>")
      .option("--yes", "do not ask")
      .action(async (id: string, options: { yes?: boolean }, command: Command) => {
        const operations = await connect(context, command);
        if (question !== undefined) {
          const { waves } = await operations.rotations.show(remoteActor, id);
          const asked = waves.reduce((sum, { states }) => sum + states.asked, 0);
          await requireConfirmation(context, options, question.replace("%n", String(asked)));
        }
        printRollout(context, command, await operations.rotations[name](remoteActor, id));
      });
  }
}

const changes: readonly (readonly ["start" | "pause" | "resume" | "abort" | "rollback", string, string | undefined])[] =
  [
    ["start", "start a planned rollout: its first wave is asked", undefined],
    ["pause", "ask nobody else; those asked go on", undefined],
    ["resume", "let a paused rollout go on; the time of the wave begins anew", undefined],
    ["abort", "end a rollout; those asked go on", "End it? %n devices are asked and go on."],
    ["rollback", "end a rollout and take back what is not fulfilled", "Take the wish back from %n devices and end it?"],
  ];

function registerStatus(rotate: Command, context: CliContext): void {
  rotate
    .command("status")
    .description("rollouts, or the waves of one")
    .argument("[id]")
    .option("--watch", "until it is over or paused; exit code 7 unless it has completed")
    .action(async (id: string | undefined, options: { watch?: boolean }, command: Command) => {
      const operations = await connect(context, command);
      if (id === undefined) {
        const all = await allPages((page) => operations.rotations.list(remoteActor, page), 1000);
        printList(context, command, all, rolloutColumns(context));
        return;
      }
      if (options.watch === true) await watch(operations, context, id);
      const shown = await operations.rotations.show(remoteActor, id);
      printRollout(context, command, shown);
      if (options.watch === true && shown.state !== "completed") throw notCompleted(shown);
    });
}

function notCompleted({ id, state, stateReason }: RolloutView): FleetError {
  return new FleetError("partly-done", `rollout ${id} is ${state}${stateReason === "" ? "" : `: ${stateReason}`}`, {
    hint: hints[state]?.(id) ?? "plan another one when what stopped it is put right",
  });
}

const hints: Readonly<Partial<Record<RolloutView["state"], (id: string) => string>>> = {
  planned: (id) => `fleetcert rotate start ${id}`,
  paused: (id) => `fleetcert rotate resume ${id}, or abort or rollback it`,
};

/** Progress goes to stderr, the end to stdout. */
async function watch(operations: Operations, context: CliContext, id: string): Promise<void> {
  let before = "";
  for (;;) {
    const shown = await operations.rotations.show(remoteActor, id);
    const line = progressOf(shown);
    if (line !== before) context.stderr(`${new Date(context.now()).toISOString().slice(11, 19)} ${line}\n`);
    before = line;
    if (shown.state !== "running") return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function progressOf({ state, wave, waves, soakingSince, waveStartedAt, gates }: RolloutView): string {
  const { name = "", devices = 0, offline = 0, states } = waves[wave] ?? {};
  const proven = states?.proven ?? 0;
  const soak = soakingSince === undefined ? "" : `, watched for ${span(gates.soak)}, since ${when(soakingSince)}`;
  const until = soak !== "" || waveStartedAt === undefined ? "" : `, until ${when(waveStartedAt + gates.within)}`;
  const others = `${states?.asked ?? 0} asked, ${states?.failed ?? 0} failed, ${offline} offline`;
  return `${state}, wave ${name} (${wave + 1}/${waves.length}): ${proven}/${devices} proven, ${others}${soak || until}`;
}

function printRollout(context: CliContext, command: Command, shown: RolloutView): void {
  const { gates } = shown;
  const soaking = shown.soakingSince === undefined ? "" : `, since ${when(shown.soakingSince)}`;
  printOne(context, command, shown, [
    ["rollout", shown.id],
    ["state", shown.stateReason === "" ? shown.state : `${shown.state} (${shown.stateReason})`],
    ["selection", `${shown.filter}, slot ${shown.slot}`],
    ["gates", `${gates.provenPercent} % proven, ${gates.maxFailures} failures borne, ${span(gates.within)} a wave`],
    ["soak", `${span(gates.soak)}${soaking}`],
    ["spread", shown.spread === 0 ? "over the ordinary window" : `each wave over ${span(shown.spread)}`],
    ["planned", `${when(shown.createdAt)} by ${shown.createdBy}`],
    ["ended", shown.endedAt === undefined ? "-" : when(shown.endedAt)],
  ]);
  if (formatOf(command) !== "table") return;
  context.stdout(`\n${renderList(shown.waves, waveColumns(shown), "table")}`);
  for (const { device, wave, reason } of shown.failures)
    context.stdout(`failed: ${device} (wave ${wave}): ${reason}\n`);
}

function waveColumns({ wave: present, state, waves }: RolloutView): Column<WaveView>[] {
  const isPresent = (wave: WaveView): boolean => state !== "planned" && waves.indexOf(wave) === present;
  return [
    { head: "wave", text: (wave) => `${isPresent(wave) ? "▸ " : "  "}${wave.name}` },
    { head: "devices", text: ({ devices }) => String(devices) },
    {
      head: "offline",
      text: ({ devices, offline }) => `${offline} (${Math.round((offline / Math.max(1, devices)) * 100)} %)`,
    },
    { head: "waiting", text: ({ states }) => String(states.waiting) },
    { head: "asked", text: ({ states }) => String(states.asked) },
    { head: "proven", text: ({ states }) => String(states.proven) },
    { head: "failed", text: ({ states }) => String(states.failed) },
    { head: "withdrawn", text: ({ states }) => String(states.withdrawn) },
    { head: "skipped", text: ({ states }) => String(states.skipped) },
    { head: "", text: ({ states, devices }) => bar(states.proven, devices, 20) },
  ];
}

function rolloutColumns(context: CliContext): Column<RolloutView>[] {
  const total = ({ waves }: RolloutView): number => waves.reduce((sum, { devices }) => sum + devices, 0);
  const proven = ({ waves }: RolloutView): number => waves.reduce((sum, { states }) => sum + states.proven, 0);
  return [
    { head: "rollout", text: ({ id }) => id },
    { head: "state", text: ({ state }) => state },
    { head: "slot", text: ({ slot }) => slot },
    { head: "selection", text: ({ filter }) => filter },
    { head: "wave", text: ({ wave, waves }) => `${waves[wave]?.name ?? ""} (${wave + 1}/${waves.length})` },
    { head: "proven", text: (one) => `${proven(one)}/${total(one)}` },
    { head: "planned", text: ({ createdAt }) => fromNow(createdAt, context.now()) },
    { head: "why", text: ({ stateReason }) => stateReason },
  ];
}
