import { FleetError, formatDuration, isFleetName, parseDuration } from "@fleetcert/shared";
import { Cron } from "croner";
import Type from "typebox";
import Value from "typebox/value";
import { parseDocument, stringify } from "yaml";
import { Certificates, DeviceBroker, ExternalBroker, KeyPlace, Listener, Maintenance, Span } from "./config-shapes.ts";

/** A name with placeholders: letters, digits, dots, dashes, colons of addresses. */
const namePattern = "^([A-Za-z0-9._:-]|\\{(fleet|device|slot|site|environment)\\}){1,253}$";

/** The one schema of the controller's configuration: type, default, check and documentation of every setting. */
export const configSchema = Type.Object(
  {
    fleet: Type.String({
      description: "name of the fleet; stands in every certificate and message",
      minLength: 1,
      maxLength: 63,
    }),
    hosts: Type.Array(Type.String({ minLength: 1, maxLength: 253 }), {
      default: ["localhost", "127.0.0.1"],
      minItems: 1,
      maxItems: 32,
      description:
        "names and addresses under which devices and people reach this controller; the first stands in certificates",
    }),
    listeners: Type.Object(
      {
        operational: Listener(8883, "MQTT for enrolled devices, mutual TLS"),
        bootstrap: Listener(8884, "MQTT for enrolment and for renewal after expiry"),
        http: Listener(8080, "CRL distribution point, /metrics, /healthz, /readyz"),
        api: Listener(8443, "HTTPS for people and their programs, operator certificates"),
      },
      { additionalProperties: false, default: {} },
    ),
    keys: Type.Object(
      {
        issuing: KeyPlace("where the issuing CA's key lives"),
        command: KeyPlace("where the command keys live, which sign what comes from the controller"),
        root: KeyPlace("where the root's key lives; only `init` and `trust renew` open it"),
      },
      { additionalProperties: false, default: {} },
    ),
    revocation: Type.Object(
      {
        crlNextUpdate: Span("30d", "life of a CRL; local software keeps working offline for so long"),
        crlRefresh: Span("24h", "age at which CRLs are made again without a change"),
        deltaLists: Type.Boolean({
          default: false,
          description: "signs a delta (RFC 5280) beside every CRL, for software that uses them; agents need none",
        }),
        ocsp: Type.Boolean({
          default: false,
          description: "answers OCSP (RFC 6960) at /ocsp of the distribution point, and names it in certificates",
        }),
        ocspNextUpdate: Span("4h", "life of an OCSP answer; signed again at half of it while it is asked for"),
        headNextUpdate: Span("1h", "life of the signed head; agents report stale beyond it"),
      },
      { additionalProperties: false, default: {} },
    ),
    attestation: Type.Object(
      {
        manufacturerRoots: Certificates("PEM files with the TPM manufacturers' root certificates"),
        manufacturerCas: Certificates("PEM files with the CA certificates between those roots and endorsement keys"),
        endorsementKeys: Type.Array(Type.String({ pattern: "^[0-9a-f]{64}$" }), {
          default: [],
          maxItems: 100_000,
          description:
            "SHA-256 of endorsement keys that come in without a certificate, as fleetcert-agent tpm ek prints it",
        }),
      },
      {
        additionalProperties: false,
        default: {},
        description: "which TPMs may prove keys; with none, keys in TPMs count as `token`",
      },
    ),
    bounds: Type.Object(
      {
        revokeAlone: Type.Integer({
          default: 10,
          minimum: 1,
          maximum: 1_000_000,
          description:
            "devices and certificates one person may revoke, hold or suspend within 24 hours; raising it needs two persons",
        }),
        reinstateAlone: Type.Integer({
          default: 10,
          minimum: 0,
          maximum: 1_000_000,
          description: "devices one person may reinstate or release from hold within 24 hours",
        }),
        claimUsesAlone: Type.Integer({
          default: 1000,
          minimum: 1,
          maximum: 1_000_000_000,
          description: "rights to enrol one person may give away within 24 hours, over all claims",
        }),
        suspendByMachine: Type.Integer({
          default: 10,
          minimum: 0,
          maximum: 1_000_000,
          description: "devices the controller may suspend by itself within an hour; more only raise the alarm",
        }),
        planValidFor: Span("24h", "how long a plan waits for a second person"),
      },
      { additionalProperties: false, default: {} },
    ),
    broker: DeviceBroker,
    externalBrokers: Type.Array(ExternalBroker, {
      default: [],
      maxItems: 16,
      description:
        "Mosquitto brokers on this host that take the fleet's certificates beside our own broker: each with `name`, `host`, `port`, `caFile`, `crlFile`, `pidFile`, `control`",
    }),
    graceAfterProof: Span("1h", "how long the previous certificate stays usable after the new one is proven"),
    renewAfterExpiry: Span("90d", "how long after its end a certificate may still be renewed by its key"),
    proveWithin: Span("1h", "how long a device may take to prove a certificate in use before that is noted"),
    renewalWindow: Span("15m", "window of a wanted renewal when none is given"),
    sites: Type.Record(
      Type.String(),
      Type.Object({ maintenance: Maintenance("") }, { additionalProperties: false, default: {} }),
      {
        default: {},
        description: "per site: `maintenance`, a list of {cron, duration, timeZone} instead of the profile's",
      },
    ),
    reportInterval: Span("15m", "how often devices report"),
    listenerValidity: Span("30d", "life of the controller's own listener certificates"),
    shardSpan: Span("30d", "width of a revocation shard in notAfter; fixed once certificates are issued"),
    maxClockLeap: Span("1h", "largest leap of the controller's own clock that is signed over"),
  },
  { additionalProperties: false, title: "fleetcert controller" },
);

/** The configuration, complete and checked; durations as text, see {@link durationOf}. */
export type Config = Type.Static<typeof configSchema>;

/**
 * Reads a configuration from YAML. What is absent gets its default; unknown keys are errors. Throws `config-invalid`
 * naming the setting.
 */
export function parseConfig(text: string, file = "config.yaml"): Config {
  const config = parseYaml(configSchema, text, file);
  if (!isFleetName(config.fleet)) {
    throw configInvalid(
      `${file}: fleet: "${config.fleet.slice(0, 63)}" is no name of a fleet (a-z, 0-9, dash, underscore)`,
    );
  }
  const { kind, host, kickPort } = config.broker;
  if (kind === "external" && kickPort !== 0 && !/^(localhost|127\.[0-9.]+)$/.test(host)) {
    throw configInvalid(
      `${file}: broker.kickPort: ${host} is not this host, and a password is not sent over a network`,
    );
  }
  return config;
}

/** The smallest configuration text: what differs from the defaults. */
export function formatConfig(
  config: { readonly fleet: string; readonly hosts: readonly string[] } & Record<string, unknown>,
): string {
  return `# Everything else has a default: see docs/reference/config.md\n${stringify(config)}`;
}

const profileSchema = Type.Object(
  {
    keyAlgorithms: Type.Array(Type.Enum(["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519"]), {
      description: "kinds of keys it takes; the first is what devices are asked for",
      default: ["P-256"],
      minItems: 1,
    }),
    protections: Type.Array(Type.Enum(["software", "token", "attested"]), {
      description: "where the key may live",
      default: ["software", "token", "attested"],
      minItems: 1,
    }),
    mayLoseAttestation: Type.Boolean({
      default: false,
      description: "whether a slot whose key was attested may go on with one that is not; it is audited",
    }),
    validity: Span("90d", "life of a certificate"),
    backdate: Span("1h", "how far notBefore lies in the past, for clocks that are behind"),
    renewAt: Type.Number({
      default: 2 / 3,
      minimum: 0.1,
      maximum: 0.8,
      description: "share of the life that lies between two renewals; devices that are seen rarely get less",
    }),
    renewalDisabled: Type.Boolean({
      default: false,
      description: "not renewed by itself, until renewBefore of the end",
    }),
    renewBefore: Span("0s", "so near its end it is renewed whatever windows say; 0s is a twelfth of the life"),
    earliestRenewal: Span("0s", "not renewed by itself before this age, unless its end is near"),
    maintenance: Maintenance(
      "when devices of this profile may be touched, unless their site says otherwise; empty: always",
    ),
    extendedKeyUsage: Type.Array(Type.Enum(["clientAuth", "serverAuth"]), {
      description: "what the certificate may be used for",
      default: ["clientAuth"],
      minItems: 1,
    }),
    alternativeNames: Type.Array(Type.String({ pattern: namePattern }), {
      description:
        "names of a service's certificate, with {device}, {site}, {slot}, {environment}, {fleet} from the registry: `{device}.{site}.example`",
      default: [],
      maxItems: 16,
    }),
    slots: Type.Record(Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" }), Type.String(), {
      description: "further slots of a device whose identity has this profile: slot name and its profile",
      default: {},
    }),
  },
  { additionalProperties: false, default: {} },
);

const profilesSchema = Type.Object(
  {
    profiles: Type.Record(Type.String(), profileSchema, {
      default: { device: {} },
    }),
  },
  { additionalProperties: false },
);

/** A maintenance window of the files, its duration in milliseconds. */
interface MaintenanceWindow {
  readonly cron: string;
  readonly duration: number;
  readonly timeZone: string;
}

/** A profile as the file says it, durations in milliseconds. */
export interface ConfiguredProfile
  extends Omit<
    Type.Static<typeof profileSchema>,
    "validity" | "backdate" | "renewBefore" | "earliestRenewal" | "maintenance"
  > {
  readonly name: string;
  readonly validity: number;
  readonly backdate: number;
  readonly renewBefore: number;
  readonly earliestRenewal: number;
  readonly maintenance: readonly MaintenanceWindow[];
}

/** Reads the profiles file; `device` always exists. Throws `config-invalid`. */
export function parseProfiles(text: string, file = "profiles.yaml"): ReadonlyMap<string, ConfiguredProfile> {
  const { profiles } = parseYaml(profilesSchema, text, file);
  const wrong = Object.keys(profiles).find((name) => !/^[a-z][a-z0-9-]{0,31}$/.test(name));
  if (wrong !== undefined)
    throw configInvalid(`${file}: "${wrong.slice(0, 40)}" is no name of a profile (a-z, 0-9, dash)`);
  const all = { device: Value.Default(profileSchema, {}) as Type.Static<typeof profileSchema>, ...profiles };
  for (const [name, { slots }] of Object.entries(all)) requireKnownSlots(slots, { all, where: `${file}: ${name}` });
  return new Map(
    Object.entries(all).map(([name, profile]) => {
      const [validity, backdate] = [parseDuration(profile.validity), parseDuration(profile.backdate)];
      if (validity < 10_000)
        throw configInvalid(`${file}: ${name}: validity ${formatDuration(validity)} is below 10 seconds`);
      const renewBefore = parseDuration(profile.renewBefore);
      const earliestRenewal = parseDuration(profile.earliestRenewal);
      const maintenance = maintenanceOf(profile.maintenance, `${file}: ${name}`);
      return [name, { ...profile, name, validity, backdate, renewBefore, earliestRenewal, maintenance }];
    }),
  );
}

function requireKnownSlots(
  slots: Readonly<Record<string, string>>,
  { all, where }: { readonly all: object; readonly where: string },
): void {
  for (const [slot, profile] of Object.entries(slots)) {
    if (slot === "identity") throw configInvalid(`${where}: the identity is no further slot`);
    if (!Object.hasOwn(all, profile)) throw configInvalid(`${where}: slot ${slot}: there is no profile "${profile}"`);
  }
}

/** Maintenance windows by site. Throws `config-invalid`. */
export function siteMaintenance(config: Config): ReadonlyMap<string, readonly MaintenanceWindow[]> {
  return new Map(
    Object.entries(config.sites).map(([site, { maintenance }]) => [site, maintenanceOf(maintenance, `sites.${site}`)]),
  );
}

function maintenanceOf(
  windows: readonly { readonly cron: string; readonly duration: string; readonly timeZone: string }[],
  where: string,
): MaintenanceWindow[] {
  return windows.map(({ cron, duration, timeZone }) => {
    const span = parseDuration(duration);
    if (span < 60_000) throw configInvalid(`${where}: a maintenance window of ${duration} is below a minute`);
    try {
      if (new Cron(cron, { timezone: timeZone, paused: true }).nextRun(new Date(0)) !== null)
        return { cron, duration: span, timeZone };
    } catch (cause) {
      throw configInvalid(`${where}: maintenance "${cron}" in ${timeZone}: ${(cause as Error).message}`);
    }
    throw configInvalid(`${where}: maintenance "${cron}" never opens`);
  });
}

/** One setting as the reference shows it. */
export interface SettingRow {
  /** `listeners.http.port`. */
  readonly name: string;
  readonly type: string;
  /** JSON; undefined when the setting must be given. */
  readonly default: string | undefined;
  readonly description: string;
}

/** Every setting of config.yaml and of one profile in profiles.yaml, from the schemas. */
export function settingRows(): { readonly config: SettingRow[]; readonly profile: SettingRow[] } {
  return { config: rowsOf(configSchema, ""), profile: rowsOf(profileSchema, "") };
}

interface SchemaView {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaView>>;
  readonly default?: unknown;
  readonly description?: string;
}

function rowsOf(schema: SchemaView, prefix: string): SettingRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, setting]) => {
    const name = `${prefix}${key}`;
    if (setting.properties !== undefined) return rowsOf(setting, `${name}.`);
    const isGiven = setting.default !== undefined;
    return [
      {
        name,
        type: setting.type ?? "",
        default: isGiven ? JSON.stringify(setting.default) : undefined,
        description: setting.description ?? "",
      },
    ];
  });
}

/** Milliseconds of a duration setting. */
export const durationOf = (text: string): number => parseDuration(text);

function parseYaml<T extends Type.TSchema>(schema: T, text: string, file: string): Type.Static<T> {
  const value = Value.Default(schema, readYaml(text, file) ?? {});
  const [error] = Value.Errors(schema, value);
  if (error !== undefined) throw configInvalid(`${file}: ${describe(error)}`);
  return value as Type.Static<T>;
}

/** The library throws for some faults (an alias of nothing, too many aliases) and lists others. */
function readYaml(text: string, file: string): unknown {
  try {
    const document = parseDocument(text, { strict: true, uniqueKeys: true });
    const [problem] = document.errors;
    if (problem !== undefined) throw problem;
    return document.toJS();
  } catch (cause) {
    throw configInvalid(`${file}: ${(cause as Error).message.split("\n")[0]}`);
  }
}

function describe(error: { readonly instancePath: string; readonly message: string; readonly params: object }): string {
  const where = error.instancePath.replaceAll("/", ".").replace(/^\./, "") || "the file";
  const { additionalProperties } = error.params as { readonly additionalProperties?: readonly string[] };
  if (additionalProperties !== undefined) return `${where}: unknown setting ${additionalProperties.join(", ")}`;
  return `${where}: ${error.message === "schema is false" ? "there is no such setting" : error.message}`;
}

const configInvalid = (message: string): FleetError =>
  new FleetError("config-invalid", message, { hint: "correct the file, or compare it with docs/reference/config.md" });
