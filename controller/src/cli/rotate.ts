import { FleetError, fromNow, type Instant, parseDuration, when } from "@fleetcert/shared";
import type { Command } from "commander";
import type { DeviceView, Operations } from "../access/operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { allPages, type CliContext, connect, printOne } from "./context.ts";
import { registerRotateInWaves } from "./rotate-in-waves.ts";

/** `rotate`: new keys and certificates for devices that are named or selected. */
export function registerRotate(program: Command, context: CliContext): void {
  const rotate = program
    .command("rotate")
    .description("new keys and certificates: of devices that are named or selected, now or spread over a time")
    .option("--device <id...>", "the devices")
    .option("--filter <expression>", "instead of ids, such as 'site=berlin && expires<30d'")
    .option("--slot <name>", "which slot", "identity")
    .option("--within <duration>", "spread over this time, those seen rarely first", "0s")
    .option("--urgent", "an incident: maintenance windows do not hold it up")
    .option("--explanation <url>", "where the person who looks at a device reads why")
    .option("--dry-run", "only say how many would be asked, and whether anything stands against it")
    .action(async (options: RotateOptions, command: Command) => {
      if ((options.device === undefined) === (options.filter === undefined)) {
        throw new FleetError("usage", "name either --device or --filter");
      }
      const operations = await connect(context, command);
      const devices = options.device ?? (await selected(operations, options.filter ?? ""));
      if (devices.length === 0) {
        throw new FleetError("not-found", `no device matches ${options.filter}`, {
          hint: "look at the fleet with: fleetcert device list",
        });
      }
      const spread = parseDuration(options.within);
      const result = await operations.rotations.request(remoteActor, {
        devices,
        slot: options.slot,
        ...(spread > 0 && { window: { start: context.now(), end: context.now() + spread } }),
        ...(options.urgent === true && { isUrgent: true }),
        ...(options.explanation !== undefined && { explanationUrl: options.explanation }),
        ...(options.dryRun === true && { isDryRun: true }),
      });
      printOne(context, command, result, rowsOf(result, { ...options, count: devices.length, now: context.now() }));
    });
  registerRotateInWaves(rotate, context);
}

interface RotateOptions {
  readonly device?: string[];
  readonly filter?: string;
  readonly slot: string;
  readonly within: string;
  readonly urgent?: boolean;
  readonly explanation?: string;
  readonly dryRun?: boolean;
}

function rowsOf(
  { requested, until }: { readonly requested: number; readonly until: Instant },
  { slot, dryRun, count, now }: RotateOptions & { readonly count: number; readonly now: Instant },
): [string, string][] {
  const others = count === requested ? "" : `; ${count - requested} suspended or retired are not`;
  const said = dryRun === true ? "would be asked" : "asked";
  return [
    ["requested", `${requested} devices ${said} for a new certificate of slot ${slot}${others}`],
    ["begins", `each at a point of its own until ${when(until)} (${fromNow(until, now)}); --within 10s is at once`],
    [
      "next",
      dryRun === true ? "the same without --dry-run" : "fleetcert device show ID, fleetcert cert list --not-proven",
    ],
  ];
}

async function selected(operations: Operations, filter: string): Promise<string[]> {
  const found: DeviceView[] = await allPages(
    (page) => operations.devices.list(remoteActor, { ...page, filter }),
    100_000,
  );
  return found.map(({ id }) => id);
}
