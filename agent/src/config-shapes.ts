import * as Type from "typebox";

/** A duration with its default. */
export const Span = (value: string, description: string) =>
  Type.String({ default: value, description, pattern: "^([0-9]+(d|h|ms|m|s))+$" });
/** A port with its default. */
export const Port = (port: number, description: string) =>
  Type.Integer({ default: port, description, minimum: 1, maximum: 65535 });
/** A path; empty when there is none. */
export const Path = (description: string) => Type.String({ default: "", description, maxLength: 4096 });
/** A section whose settings all have defaults. */
export const Section = <T extends Type.TProperties>(properties: T, description: string) =>
  Type.Object(properties, { additionalProperties: false, default: {}, description });

/** Where private keys live. */
export const keySettings = {
  provider: Type.Enum(["software", "pkcs11", "tpm"], {
    default: "software",
    description: "where private keys live",
  }),
  passphraseFile: Path("software: file with the passphrase of the keys; empty makes secrets/keystore-passphrase"),
  module: Path("pkcs11: the vendor's library; a token's URI may name it as module-path"),
  token: Type.String({
    default: "",
    maxLength: 4096,
    description: "pkcs11: label of the token, or an RFC 7512 URI; no PIN stands in it",
  }),
  pinFile: Path("pkcs11: file with the user PIN"),
  pinSource: Type.String({
    default: "",
    maxLength: 4096,
    description:
      "pkcs11: instead of pinFile, where the user PIN comes from; `credential:NAME` of the service manager, `env:NAME`, `file:/PATH`, `|/PROGRAM ARGUMENT`; a token's URI may name it as pin-source",
  }),
  tpm: Type.String({
    default: "device:/dev/tpmrm0",
    maxLength: 512,
    description: "tpm: where it is; `device:PATH`, `swtpm:host=HOST,port=PORT` or `swtpm:path=PATH`",
  }),
  pcrs: Type.String({
    default: "",
    maxLength: 256,
    pattern: "^([a-z0-9]+:[0-9,]+([+][a-z0-9]+:[0-9,]+)*)?$",
    description:
      "tpm: new keys sign only while these PCRs have the values of the moment, such as sha256:7; empty binds them to none",
  }),
  attest: Type.Enum(["always", "never"], {
    default: "always",
    description:
      "tpm: whether it tells the controller who it is and vouches for every key; never makes keys count as `token`",
  }),
  ownerAuthFile: Path("tpm: file with the owner's authorisation value, where the TPM has one"),
};

const Command = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), { minItems: 1, maxItems: 32, description });

/** A slot for a service of this host. */
export const Slot = Type.Object(
  {
    name: Type.String({
      pattern: "^[a-z0-9][a-z0-9-]{0,31}$",
      description: "name of the slot, as the controller assigns it",
    }),
    profile: Type.String({ default: "", maxLength: 32, description: "profile it must have there; empty takes any" }),
    keys: Type.Optional(Type.Object(keySettings, { additionalProperties: false })),
    directory: Path("folder of the slot's files; empty is slots/NAME in the data directory"),
    outputs: Type.Array(
      Type.Object(
        {
          kind: Type.Enum(["chain", "key", "pkcs12", "pkcs11-uri", "trust", "crl"], {
            description: "PEM chain, PKCS#8 key (software only), PKCS#12, PKCS#11 URI, trust bundle, revocation lists",
          }),
          file: Type.String({ minLength: 1, maxLength: 4096, description: "a relative name is taken from the folder" }),
          owner: Type.String({ default: "", maxLength: 64, description: "name or number; empty: the agent's own" }),
          group: Type.String({ default: "", maxLength: 64, description: "name or number; empty: the agent's own" }),
          mode: Type.String({
            default: "",
            pattern: "^(0?[0-7]{3})?$",
            description: "octal; empty: 0600 for keys, 0644 for the rest",
          }),
          passphraseFile: Path("pkcs12: file with its passphrase"),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 16 },
    ),
    reload: Type.Optional(
      Type.Object(
        {
          command: Type.Optional(Command("program and arguments, run without a shell")),
          systemd: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9:_.@-]{1,255}$", description: "unit to reload" })),
          signal: Type.Optional(Type.Enum(["SIGHUP", "SIGUSR1", "SIGUSR2"], { description: "signal to send" })),
          pidFile: Path("file with the id of the process the signal goes to"),
          timeout: Span("30s", "how long it may take before it is killed with all its children"),
        },
        { additionalProperties: false },
      ),
    ),
    verify: Type.Optional(
      Type.Object(
        {
          host: Type.String({
            default: "127.0.0.1",
            minLength: 1,
            maxLength: 253,
            description: "where the service is",
          }),
          port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, description: "its TLS port" })),
          serverName: Type.String({
            default: "",
            maxLength: 253,
            description: "name asked for and expected; empty: none",
          }),
          startTls: Type.Enum(["none", "smtp", "imap", "postgres", "ldap"], {
            default: "none",
            description: "protocol that begins in clear",
          }),
          command: Type.Optional(
            Command("run instead of a connection; FLEETCERT_CERTIFICATE_SHA256 is what to expect"),
          ),
          timeout: Span("10s", "how long one look may take"),
          settleWithin: Span("10s", "how long the service may take until it serves what it read"),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
