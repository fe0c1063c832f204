import { resolve } from "node:path";
import { FleetError } from "@fleetcert/shared";
import { type Command, Option } from "commander";
import type { ConfigChanges } from "../config.ts";

/** What a device is told of itself with its first enrolment. */
export interface EnrolmentOptions {
  readonly controller?: string;
  readonly bootstrapPort?: string;
  readonly rootFingerprint?: string;
  readonly claimFile?: string;
  readonly deviceId?: string;
  readonly keys?: string;
  readonly pkcs11Module?: string;
  readonly token?: string;
  readonly pinFile?: string;
  readonly pinSource?: string;
  readonly tpm?: string;
  readonly passphraseFile?: string;
}

/** Adds the options of a first enrolment to a command. */
export function addEnrolmentOptions(command: Command): Command {
  return command
    .option("--controller <host[:port]>", "the controller; its port for enrolled devices, 8883")
    .option("--bootstrap-port <port>", "its port for enrolment, 8884 or one above the other")
    .option("--root-fingerprint <sha256>", "fingerprint of the root certificate; must agree with the claim's")
    .option("--claim-file <file>", "file with the claim string")
    .option("--device-id <id>", "id of this device; the host's name when it is not given")
    .addOption(new Option("--keys <provider>", "where private keys live").choices(["software", "pkcs11", "tpm"]))
    .option("--pkcs11-module <file>", "the vendor's PKCS#11 library")
    .option("--token <label>", "label of the token, or an RFC 7512 URI")
    .option("--pin-file <file>", "file with the token's user PIN")
    .option("--pin-source <source>", "or where it comes from: credential:NAME, env:NAME, |/PROGRAM")
    .option("--tpm <address>", "where the TPM is: device:/dev/tpmrm0, swtpm:host=127.0.0.1,port=2321")
    .option("--passphrase-file <file>", "file with the passphrase of software keys; made when it is not given");
}

/** The settings that were given. Throws `usage`. */
export function enrolmentChanges(options: EnrolmentOptions): ConfigChanges {
  const [host, port] = splitAddress(options.controller);
  const bootstrapPort = options.bootstrapPort === undefined ? port && port + 1 : portOf(options.bootstrapPort);
  return {
    device: options.deviceId,
    controller: { host, port, bootstrapPort },
    rootFingerprint: options.rootFingerprint && normalFingerprint(options.rootFingerprint),
    claimFile: absolute(options.claimFile),
    keys: {
      provider: options.keys,
      module: absolute(options.pkcs11Module),
      token: options.token,
      pinFile: absolute(options.pinFile),
      pinSource: options.pinSource,
      tpm: options.tpm,
      passphraseFile: absolute(options.passphraseFile),
    },
  };
}

/** `host`, `host:port` or `[v6]:port`. */
function splitAddress(address: string | undefined): [string | undefined, number | undefined] {
  if (address === undefined) return [undefined, undefined];
  const match = /^(?:\[([0-9a-f:]+)\]|([^:]+))(?::([0-9]+))?$/i.exec(address);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) throw new FleetError("usage", `--controller ${address} is neither HOST nor HOST:PORT`);
  return [host, match?.[3] === undefined ? undefined : portOf(match[3])];
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^[0-9]+$/.test(text) && port >= 1 && port <= 65535) return port;
  throw new FleetError("usage", `${text} is no port`);
}

/** As people copy it: with `SHA256:` before it, colons and capitals. */
function normalFingerprint(text: string): string {
  const hex = text
    .replace(/^sha-?256:/i, "")
    .replaceAll(":", "")
    .toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new FleetError("usage", "--root-fingerprint is not 64 hex digits");
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}
