// Writes docs/reference/*.md from the catalogues in the code; `--check` says whether what is committed is what would be made.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { referenceProgram as agentProgram, agentSettings } from "@fleetcert/agent";
import {
  auditEvents,
  referenceProgram as controllerProgram,
  metricCatalogue,
  rolePermissions,
  routes,
  settingRows,
} from "@fleetcert/controller";
import { topicCatalogue } from "@fleetcert/proto";
import { type ErrorCode, errorCatalogue, errorRemedies } from "@fleetcert/shared";
import { commandSection } from "./command-pages.ts";

const folder = fileURLToPath(new URL("../docs/reference", import.meta.url));
const isCheck = process.argv.includes("--check");
const stale: string[] = [];

for (const [name, text] of Object.entries(pages())) {
  const file = `${folder}/${name}.md`;
  if (!isCheck) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
  } else if (read(file) !== text) stale.push(name);
}
if (stale.length > 0) {
  console.error(`stale: ${stale.join(", ")}; run node scripts/generate-reference.ts`);
  process.exitCode = 1;
}

function pages(): Record<string, string> {
  return {
    errors: page(
      "Errors",
      "Every error has one of these codes, in the CLI, in the API's problem documents and in answers to devices.",
      ["code", "meaning", "what helps", "exit code", "HTTP status"],
      Object.entries(errorCatalogue).map(([code, { title, exit, http }]) => [
        `\`${code}\``,
        title,
        errorRemedies[code as ErrorCode],
        exit,
        http,
      ]),
    ),
    commands: `${heading("Commands", "The two programs with all their commands; `fleetcert help COMMAND` says the same.")}${[
      controllerProgram(),
      agentProgram(),
    ]
      .map(commandSection)
      .join("\n\n")}\n`,
    topics: page(
      "Topics",
      "Where messages travel on MQTT, all with QoS 1. `{issuer}` is the SHA-256 of the issuer's key, `{kind}` the kind of message.",
      ["topic", "from", "retained", "meaning"],
      Object.values(topicCatalogue).map(({ form, from, isRetained, meaning }) => [
        `\`${form}\``,
        from,
        isRetained ? "yes" : "no",
        meaning,
      ]),
    ),
    config: page(
      "Configuration of the controller",
      "Settings of `config.yaml` in the data directory, and, below `profile`, those of each profile in `profiles.yaml`. An unknown one is an error.",
      ["setting", "type", "default", "meaning"],
      [...settingRows().config, ...settingRows().profile.map((row) => ({ ...row, name: `profile.${row.name}` }))].map(
        ({ name, type, default: preset, description }) => [
          `\`${name}\``,
          type,
          preset === undefined ? "must be given" : `\`${preset}\``,
          description,
        ],
      ),
    ),
    "agent-config": page(
      "Configuration of the agent",
      "Settings of `config.yaml` in the data directory; each can also come from its environment variable, or from a flag of `fleetcert-agent enrol`. An unknown one is an error.",
      ["setting", "type", "default", "variable", "meaning"],
      agentSettings().map(({ name, type, default: preset, variable, description }) => [
        `\`${name}\``,
        type,
        `\`${JSON.stringify(preset)}\``,
        `\`${variable}\``,
        description,
      ]),
    ),
    metrics: page(
      "Metrics",
      "What `/metrics` exposes. Labels are bounded: never a device or a serial.",
      ["name", "kind", "labels", "meaning"],
      Object.entries(metricCatalogue).map(([name, { kind, labels, help }]) => [
        `\`${name}\``,
        kind,
        labels.join(", "),
        help,
      ]),
    ),
    api: page(
      "API",
      "Routes below `/api/v1`; shapes in `/api/v1/openapi.json`. Errors are RFC 9457 problem documents.",
      ["route", "what it does", "right", "roles"],
      routes.map(({ method, path, summary, permission }) => [
        `\`${method} ${path}\``,
        summary,
        permission,
        Object.entries(rolePermissions)
          .filter(([, held]) => held.includes(permission))
          .map(([role]) => role)
          .join(", "),
      ]),
    ),
    "audit-events": page(
      "Audit events",
      "What the audit chain speaks of.",
      ["event", "meaning"],
      Object.entries(auditEvents).map(([name, meaning]) => [`\`${name}\``, String(meaning)]),
    ),
  };
}

function page(title: string, intro: string, heads: string[], rows: (string | number)[][]): string {
  const lines = [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `${heading(title, intro)}${lines.join("\n")}\n`;
}

function heading(title: string, intro: string): string {
  return `<!-- Made by scripts/generate-reference.ts. -->\n# ${title}\n\n${intro}\n\n`;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
