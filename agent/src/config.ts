import { FleetError, isDeviceId } from "@fleetcert/shared";
import * as Type from "typebox";
import { parseDocument, stringify } from "yaml";
import { completeSettings } from "./complete-settings.ts";
import { keySettings, Path, Port, Section, Slot, Span } from "./config-shapes.ts";

const Hook = (description: string) =>
  Type.Object(
    {
      command: Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), { minItems: 1, maxItems: 32, description }),
      timeout: Span("10s", "how long it may run before it is killed with all its children"),
    },
    { additionalProperties: false },
  );

const Output = Type.Object(
  {
    file: Type.String({
      minLength: 1,
      maxLength: 4096,
      description: "PEM file with every list of the fleet; a relative name is taken from the data directory",
    }),
    include: Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), {
      default: [],
      maxItems: 8,
      description: "PEM files with lists of other authorities, put in after ours, which are those of the whole chain",
    }),
    reload: Type.Optional(Hook("program and arguments, run without a shell after the file was replaced")),
    restart: Type.Optional(
      Hook("the same instead of reload when lists have left the file, for readers that forget none of them: Mosquitto"),
    ),
  },
  { additionalProperties: false },
);

const SlotStaleness = Type.Object(
  {
    slot: Type.String({ minLength: 1, maxLength: 64, description: "name of the slot that asks" }),
    failOpenFor: Span("30d", "as revocation.failOpenFor, for this slot"),
  },
  { additionalProperties: false },
);

/** The one schema of the agent's configuration: type, default, check and documentation of every setting. */
export const configSchema = Type.Object(
  {
    device: Type.String({
      default: "",
      maxLength: 64,
      description: "id of this device; empty takes the host's name. It is settled by the first enrolment",
    }),
    controller: Section(
      {
        host: Type.String({ default: "", maxLength: 253, description: "name or address of the controller" }),
        brokerHost: Type.String({
          default: "",
          maxLength: 253,
          description: "where `port` is, when that is an external broker on another host; empty takes `host`",
        }),
        port: Port(8883, "its listener for enrolled devices"),
        bootstrapPort: Port(8884, "its listener for enrolment and for renewal after expiry"),
      },
      "where the controller is",
    ),
    rootFingerprint: Type.String({
      default: "",
      pattern: "^([0-9a-f]{64})?$",
      description: "SHA-256 of the root certificate, hex; empty takes the one in the claim",
    }),
    claimFile: Path("file with the claim string; needed until the first credential is proven"),
    keys: Section(keySettings, "the key store"),
    slots: Type.Array(Slot, {
      default: [],
      maxItems: 16,
      description:
        "credentials for services of this host, each with `name`, `profile`, `keys`, `directory`, `outputs`, `reload`, `verify`",
    }),
    log: Section(
      { level: Type.Enum(["error", "warn", "info"], { default: "info", description: "least level that is written" }) },
      "what is written to stderr",
    ),
    pace: Section(
      {
        reconnectBase: Span("1s", "first ceiling of the pause between connection attempts"),
        reconnectCap: Span("5m", "last ceiling of it"),
        turnedAwayBase: Span("30s", "first ceiling of the pause while the controller turns this device away"),
        turnedAwayCap: Span("15m", "last ceiling of it"),
        retryBase: Span("5s", "first ceiling of the pause between attempts of a rotation step"),
        retryCap: Span("15m", "last ceiling of it"),
        handshakePatience: Span("20s", "how long TLS may take, and CONNACK after it"),
        provePatience: Span("2m", "how long the controller may take to confirm a new credential"),
        lookAgainAfter: Span("1h", "longest sleep before the renewal plan is looked at again"),
      },
      "how patient the agent is",
    ),
    revocation: Section(
      {
        crl: Type.Enum(["auto", "always", "never"], {
          default: "auto",
          description:
            "whether revocation lists are kept beside the compact snapshot, for reasons, times and outputs; auto: where there are outputs",
        }),
        outputs: Type.Array(Output, {
          default: [],
          maxItems: 8,
          description:
            "files that other software of this host reads revocations from, each with `file`, `include`, `reload`",
        }),
        failOpenFor: Span("30d", "how long after it went stale good is still answered; 0s: never, fail-closed at once"),
        slots: Type.Array(SlotStaleness, {
          default: [],
          maxItems: 32,
          description: "slots whose peers are judged by another patience, each with `slot`, `failOpenFor`",
        }),
      },
      "what is kept of revocations and who gets it",
    ),
  },
  { additionalProperties: false, title: "fleetcert-agent" },
);

/** What the file and the environment say, complete and checked; durations as text, see {@link durationOf}. */
export type ConfigFile = Type.Static<typeof configSchema>;

/** The configuration of one agent: its settings and the directory it lives in. */
export interface AgentConfig extends ConfigFile {
  readonly data: string;
}

/** Settings as a person gives them on top of the defaults, nested as in the file. */
export type ConfigChanges = {
  readonly [name: string]: string | number | readonly unknown[] | ConfigChanges | undefined;
};

/**
 * Puts a configuration together: defaults, then the file's YAML, then `FLEETCERT_AGENT_…` variables of the environment, then
 * flags. Unknown settings and variables are errors. Throws `config-invalid` naming the setting.
 */
export function readConfig(sources: {
  readonly file?: { readonly name: string; readonly text: string };
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly flags?: ConfigChanges;
}): ConfigFile {
  const { file, env = {}, flags = {} } = sources;
  const fromFile = file === undefined ? {} : parseYaml(file);
  const merged = [fromFile, fromEnvironment(env), flags].reduce<ConfigChanges>(merge, {});
  const config = completeSettings(configSchema, merged, (path, what) => {
    throw invalid(`${file?.name ?? "the configuration"}: ${path.join(".") || "the file"}: ${what}`);
  }) as ConfigFile;
  if (config.device !== "" && !isDeviceId(config.device)) {
    throw invalid(`device: "${config.device}" is no device id (a-z, 0-9, dot, dash, underscore, at most 64)`);
  }
  if (config.revocation.crl === "never" && config.revocation.outputs.length > 0) {
    throw invalid("revocation: outputs are made of the lists that crl: never leaves away");
  }
  return config;
}

/** YAML of what differs from the defaults. */
export function formatConfig(config: ConfigFile): string {
  const defaults = readConfig({});
  return `# Every other setting has its default.\n${stringify(difference(config, defaults))}`;
}

/** Name of a setting's environment variable: `controller.host` → `FLEETCERT_AGENT_CONTROLLER_HOST`. */
export function variableOf(path: readonly string[]): string {
  const words = path.map((name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return `${variablePrefix}${words.join("_")}`;
}

/** Every setting for the reference page, in the order of the schema. */
export function agentSettings(): {
  name: string;
  variable: string;
  type: string;
  default: unknown;
  description: string;
}[] {
  return settingPaths().map((path) => {
    const schema = path.reduce((inner, name) => propertiesOf(inner)?.[name] ?? inner, configSchema as Type.TSchema);
    const { type, default: preset, description, enum: choices } = schema as SettingSchema;
    const shown = choices === undefined ? (type ?? "") : choices.join(" or ");
    return {
      name: path.join("."),
      variable: variableOf(path),
      type: shown,
      default: preset,
      description: description ?? "",
    };
  });
}

interface SettingSchema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
}

function parseYaml({ name, text }: { readonly name: string; readonly text: string }): ConfigChanges {
  const document = parseDocument(text, { strict: true, uniqueKeys: true });
  const [problem] = document.errors;
  if (problem !== undefined) throw invalid(`${name}: ${problem.message.split("\n")[0]}`);
  const value = plainValue(name, document) ?? {};
  if (typeof value !== "object" || Array.isArray(value)) throw invalid(`${name}: this is no list of settings`);
  return value as ConfigChanges;
}

/** Aliases are never needed here, and a few of them make a file of any size. */
function plainValue(name: string, document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw invalid(`${name}: aliases are not taken`, cause);
  }
}

function fromEnvironment(env: Readonly<Record<string, string | undefined>>): ConfigChanges {
  const known = new Map(settingPaths().map((path) => [variableOf(path), path]));
  return Object.entries(env)
    .filter(([name, value]) => name.startsWith(variablePrefix) && name !== dataVariable && value !== undefined)
    .map(([name, value = ""]): ConfigChanges => {
      const path = known.get(name);
      if (path === undefined) throw invalid(`${name} names no setting`);
      const isNumber = path.at(-1)?.toLowerCase().endsWith("port") === true && /^[0-9]{1,5}$/.test(value);
      return path.reduceRight<ConfigChanges | string | number>(
        (inner, key) => ({ [key]: inner }),
        isNumber ? Number(value) : value,
      ) as ConfigChanges;
    })
    .reduce<ConfigChanges>(merge, {});
}

/** Paths of all settings, in the order of the schema. */
function settingPaths(schema: Type.TSchema = configSchema, path: readonly string[] = []): string[][] {
  const properties = propertiesOf(schema);
  if (properties === undefined) return [[...path]];
  return Object.entries(properties).flatMap(([name, inner]) => settingPaths(inner, [...path, name]));
}

function propertiesOf(schema: Type.TSchema): Readonly<Record<string, Type.TSchema>> | undefined {
  return (schema as { readonly properties?: Readonly<Record<string, Type.TSchema>> }).properties;
}

function merge(below: ConfigChanges, above: ConfigChanges): ConfigChanges {
  const merged: Record<string, ConfigChanges[string]> = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const before = merged[name];
    if (value === undefined) continue;
    merged[name] = isSection(value) && isSection(before) ? merge(before, value) : value;
  }
  return merged;
}

function difference(config: object, defaults: object): object {
  const entries = Object.entries(config).flatMap(([name, value]) => {
    const standard: unknown = (defaults as Record<string, unknown>)[name];
    if (Array.isArray(value)) return JSON.stringify(value) === JSON.stringify(standard) ? [] : [[name, value] as const];
    if (typeof value !== "object") return value === standard ? [] : [[name, value] as const];
    const inner = difference(value, standard as object);
    return Object.keys(inner).length === 0 ? [] : [[name, inner] as const];
  });
  return Object.fromEntries(entries);
}

function isSection(value: ConfigChanges[string]): value is ConfigChanges {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(message: string, cause?: unknown): FleetError {
  return new FleetError("config-invalid", message, {
    cause,
    hint: "correct it, or compare it with docs/reference/agent-config.md",
  });
}

const variablePrefix = "FLEETCERT_AGENT_";
/** Where the agent lives is no setting of the file it finds there. */
const dataVariable = "FLEETCERT_AGENT_DATA";
