import Type from "typebox";

/** The order of {@link parseDuration}. */
const durationPattern = "^([0-9]{1,5}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?([0-9]{1,12}ms)?$";

/** A duration as {@link parseDuration} reads it. */
export const Span = (value: string, description: string) =>
  Type.String({ default: value, description, minLength: 2, pattern: durationPattern, examples: [value] });
/** Where something listens. */
export const Listener = (port: number, description: string) =>
  Type.Object(
    {
      host: Type.String({ default: "0.0.0.0", description: "address to listen on", minLength: 1, maxLength: 253 }),
      port: Type.Integer({
        default: port,
        description: "0 takes a free port, see run/endpoints.json",
        minimum: 0,
        maximum: 65535,
      }),
    },
    { additionalProperties: false, default: {}, description },
  );

/** Files with certificates. */
export const Certificates = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), {
    default: [],
    maxItems: 256,
    description: `${description}; relative to the data directory`,
  });

/** Windows in which devices may be touched. */
export const Maintenance = (description: string) =>
  Type.Array(
    Type.Object(
      {
        cron: Type.String({
          minLength: 1,
          maxLength: 128,
          description: "when it opens: minute hour day month weekday",
        }),
        duration: Type.String({ minLength: 2, pattern: durationPattern, description: "how long it stays open" }),
        timeZone: Type.String({ default: "UTC", minLength: 1, maxLength: 64, description: "IANA name" }),
      },
      { additionalProperties: false },
    ),
    { default: [], maxItems: 32, description },
  );

/** Where a key lives. */
export const KeyPlace = (what: string) =>
  Type.String({
    default: "",
    maxLength: 4096,
    description: `${what}; empty for encrypted files, \`pkcs11:token=…?module-path=…&pin-source=…\` (RFC 7512), \`tpm:device:/dev/tpmrm0\``,
  });

const Path = (description: string) => Type.String({ description, minLength: 1, maxLength: 4096 });

/** A broker that is not ours and follows our lists; see docs/runbooks/external-broker.md. */
export const ExternalBroker = Type.Object(
  {
    name: Type.String({ description: "how it is called in messages", pattern: "^[a-z][a-z0-9-]{0,31}$" }),
    host: Type.String({
      default: "127.0.0.1",
      description: "of its listener for devices",
      minLength: 1,
      maxLength: 253,
    }),
    port: Type.Integer({ description: "of its listener for devices", minimum: 1, maximum: 65535 }),
    caFile: Type.Optional(Path("PEM of what its own certificate chains to; without it that is not looked at")),
    crlFile: Path("its crlfile, written by the controller"),
    pidFile: Path("its pid_file, told to read the lists by SIGHUP"),
    control: Type.Object(
      {
        port: Type.Integer({
          description: "of its listener on the loopback for the controller",
          minimum: 1,
          maximum: 65535,
        }),
        username: Type.String({
          default: "fleetcert-controller",
          description: "the controller's name there",
          minLength: 1,
          maxLength: 128,
        }),
        passwordFile: Path("file with the controller's password there"),
      },
      { additionalProperties: false, description: "where the controller may take any client id" },
    ),
  },
  { additionalProperties: false },
);

const Argv = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), { default: [], maxItems: 32, description });

/** Which broker enrolled devices connect to; see docs/external-broker.md. */
export const DeviceBroker = Type.Object(
  {
    kind: Type.String({
      default: "embedded",
      pattern: "^(embedded|external)$",
      description:
        "`embedded`: listeners.operational of this process; `external`: a Mosquitto 2 set up by `fleetcert broker config`",
    }),
    host: Type.String({
      default: "127.0.0.1",
      description: "where this controller reaches the external broker",
      minLength: 1,
      maxLength: 253,
    }),
    port: Type.Integer({ default: 8883, description: "its listener for devices", minimum: 1, maximum: 65535 }),
    controlPort: Type.Integer({
      default: 8885,
      description: "its listener for controllers, which takes their own certificates only",
      minimum: 1,
      maximum: 65535,
    }),
    kickPort: Type.Integer({
      default: 8886,
      description:
        "its listener on the loopback that may take any client id and no topic; 0 ends sessions over controlPort, fifteen times slower",
      minimum: 0,
      maximum: 65535,
    }),
    directory: Type.String({
      default: "broker",
      description:
        "what the broker reads and the controller keeps: certificates, lists; relative to the data directory",
      minLength: 1,
      maxLength: 4096,
    }),
    pidFile: Type.String({
      default: "",
      maxLength: 4096,
      description: "its pid_file, told by SIGHUP to read its files again; empty: mosquitto.pid in `directory`",
    }),
    reload: Argv("program and arguments that make it read its files again, instead of SIGHUP"),
    restart: Argv("program and arguments that start it anew, where a session cannot be ended otherwise; empty: never"),
    group: Type.String({
      default: "",
      pattern: "^[A-Za-z0-9_-]{0,64}$",
      description: "name of the shared subscription of controllers that share the work; empty for one controller",
    }),
    lookEvery: Span("10m", "how often it is looked at with a foreign identity, besides at every connection"),
  },
  {
    additionalProperties: false,
    default: {},
  },
);
