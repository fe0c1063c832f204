import { fromNow, printable, renderOne, span, when } from "@fleetcert/shared";
import { type Command, Option } from "commander";
import type { AgeView, ExpiryView, ServiceLevelView } from "../access/operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, formatOf, printList } from "./context.ts";
import { bar, roughAge } from "./output/human.ts";
import { renderList } from "./output/render.ts";

/** `fleet age|summary`. */
export function registerFleet(program: Command, context: CliContext): void {
  const fleet = program.command("fleet").description("the fleet as a whole");

  fleet
    .command("age")
    .description("distribution of certificate age, and what of the controller itself expires")
    .addOption(new Option("--by <group>", "one distribution for each").choices(["site", "profile", "issuer"]))
    .option("--filter <expression>", "only certificates of these devices")
    .action(async (options: { by?: "site" | "profile" | "issuer"; filter?: string }, command: Command) => {
      const answer = await (await connect(context, command)).fleet.age(remoteActor, options);
      const format = formatOf(command);
      if (format === "json" || format === "jsonl") context.stdout(renderOne(answer, [], format));
      else if (format === "csv")
        printList(context, command, [answer.total, ...answer.groups].flatMap(bucketRows), bucketColumns);
      else context.stdout(ageText(answer, context.now()));
    });

  fleet
    .command("summary")
    .description("counts and service levels")
    .action(async (_options: object, command: Command) => {
      const answer = await (await connect(context, command)).fleet.summary(remoteActor);
      const format = formatOf(command);
      const { active, suspended, retired } = answer.devices;
      context.stdout(
        renderOne(
          answer,
          [
            ["devices", `${active} active, ${suspended} suspended, ${retired} retired`],
            ["connected", String(answer.connected)],
          ],
          format,
        ),
      );
      if (format === "table") context.stdout(`\n${serviceLevelText(answer.serviceLevels)}`);
    });
}

/** Draws age distributions as bars, then what expires. */
export function ageText(
  answer: { readonly total: AgeView; readonly groups: readonly AgeView[]; readonly expiries: readonly ExpiryView[] },
  now: number,
): string {
  const parts = [distributionText(answer.total), ...answer.groups.map(distributionText)];
  const expiries = renderList(
    answer.expiries,
    [
      { head: "of the controller", text: ({ what }) => what },
      { head: "expires", text: ({ notAfter }) => when(notAfter) },
      { head: "", text: ({ notAfter }) => fromNow(notAfter, now) },
      { head: "renewed by", text: ({ renewedByItself }) => (renewedByItself ? "itself" : "a person") },
    ],
    "table",
  );
  return [...parts, expiries].join("\n");
}

/** The service levels as a table with a mark for each. */
export function serviceLevelText(levels: readonly ServiceLevelView[]): string {
  return renderList(
    levels,
    [
      { head: "service level", text: ({ name }) => name },
      { head: "value", text: levelValue },
      { head: "objective", text: ({ objective, unit }) => (unit === "share" ? percent(objective) : span(objective)) },
      { head: "met", text: ({ met }) => (met === undefined ? "-" : met ? "✔" : "✖") },
    ],
    "table",
  );
}

/** One distribution: counts and percentiles, then a bar for each bucket. */
export function distributionText(view: AgeView): string {
  const greatest = Math.max(0, ...view.buckets.map(({ count }) => count));
  const width = Math.max(...view.buckets.map(({ label }) => label.length));
  const head = `${printable(view.group)}  n=${view.count}  p50 ${roughAge(view.p50)}  p95 ${roughAge(view.p95)}  max ${roughAge(view.max)}\n`;
  const rows = view.buckets.map(({ label, count }) => `  ${label.padEnd(width)}  ${bar(count, greatest)} ${count}\n`);
  return head + rows.join("");
}

function bucketRows(view: AgeView) {
  return view.buckets.map((bucket) => ({ ...bucket, group: view.group }));
}

function levelValue({ value, unit }: ServiceLevelView): string {
  if (value === undefined) return "no data yet";
  return unit === "share" ? percent(value) : span(value);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0.999 && share < 1 ? 3 : 1)} %`;
}

const bucketColumns = [
  { head: "group", text: ({ group }: { group: string }) => group },
  { head: "age", text: ({ label }: { label: string }) => label },
  { head: "count", text: ({ count }: { count: number }) => String(count) },
];
