import { generateKeyPairSync, pbkdf2Sync, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { FleetError, type KeyProvider, parseCertificate, pemDecode, pemEncode, sha256Hex } from "@fleetcert/shared";
import { makeFolder } from "../../adapters/files/make-folder.ts";
import { writeDurably } from "../../adapters/files/write-durably.ts";
import { brokerFileNames, kickUser } from "../../adapters/mosquitto/mosquitto-config.ts";
import { type Config, durationOf } from "../../config.ts";
import { type ControlIdentity, controlIdentity } from "./control-identity.ts";
import type { Duties } from "./wire-duties.ts";

/** What of an external broker this controller keeps, and who it is there. */
export interface BrokerFiles {
  readonly directory: string;
  readonly pidFile: string;
  /** PEM. */
  readonly roots: string;
  readonly control: ControlIdentity;
  readonly kickPassword: string;
  /** What has changed: what Mosquitto reads at its start only, or what it reads again when it is told. */
  readonly changed: "nothing" | "told" | "start";
}

/** What {@link keepBrokerFiles} works with. */
export interface BrokerFileParts {
  readonly config: Config;
  /** The data directory. */
  readonly data: string;
  readonly keys: KeyProvider;
  readonly duties: Pick<Duties, "issuance" | "issuers" | "trust">;
}

/**
 * Keeps the files of the directory that an external broker reads, but for its lists: the fleet's roots, the controllers it
 * takes, its own certificate, renewed at 2/3 of its life, and the password under which sessions are ended. What is right
 * stays untouched; `before` is what an earlier call gave. Throws `store-failed`, and what issuance throws.
 */
export async function keepBrokerFiles(parts: BrokerFileParts, before?: BrokerFiles): Promise<BrokerFiles> {
  const { config, duties, keys } = parts;
  const { directory, pidFile } = brokerPlaces(parts);
  await makeFolder(directory, 0o750);
  const at = (name: string): string => join(directory, name);
  let changed: BrokerFiles["changed"] = "nothing";
  const keep = async (name: string, text: string, mode: number): Promise<void> => {
    if ((await readOr(at(name), "")) === text) return;
    await writeDurably(at(name), text, mode);
    if (changed !== "start") changed = readAtStart.has(name) ? "start" : "told";
  };
  const roots = believedRoots(duties).map(pemOf).join("");
  const known = await readOr(at(brokerFileNames.controllers), "");
  // To open the key takes a tenth of a second, and this is done every few.
  const isKnown = before !== undefined && known.includes(before.control.cert);
  const control = isKnown ? { ...before.control, all: known } : await controlIdentity({ keys, known });
  await keep(brokerFileNames.roots, roots, 0o644);
  await keep(brokerFileNames.controllers, control.all, 0o644);
  // A group of the broker may read what holds its key: make the directory setgid.
  await keep(
    brokerFileNames.server,
    await serverPem(config, duties, await readOr(at(brokerFileNames.server), "")),
    0o640,
  );
  const kickPassword = await readOr(at(passwordName), `${randomBytes(24).toString("base64url")}\n`);
  await keep(passwordName, kickPassword, 0o600);
  const passwords = await readOr(at(brokerFileNames.passwords), "");
  await keep(
    brokerFileNames.passwords,
    passwords.startsWith(`${kickUser}:`) ? passwords : passwordLine(kickPassword.trim()),
    0o640,
  );
  return { directory, pidFile, roots, control, kickPassword: kickPassword.trim(), changed };
}

/**
 * The roots of the bundle, and those before them that a bridge leads from: a device that was away for a change of root comes
 * back with a certificate under its own. Oldest first, so that the end of a change changes nothing.
 */
function believedRoots({ trust, issuers }: BrokerFileParts["duties"]): Uint8Array[] {
  const believed = new Set([...trust.current().roots, ...issuers.present().chain].map((der) => sha256Hex(der)));
  return trust.roots().filter((der) => believed.has(sha256Hex(der)));
}

/** Where the files of an external broker lie. */
export function brokerPlaces({ config, data }: Pick<BrokerFileParts, "config" | "data">): {
  readonly directory: string;
  readonly pidFile: string;
} {
  const { directory, pidFile } = config.broker;
  const place = isAbsolute(directory) ? directory : join(data, directory);
  return { directory: place, pidFile: pidFile === "" ? join(place, "mosquitto.pid") : pidFile };
}

/** The broker's certificate, chain and key in one file, so that none is ever read without the others. */
async function serverPem(
  config: Config,
  { issuance, issuers }: BrokerFileParts["duties"],
  kept: string,
): Promise<string> {
  const hosts = [...new Set([...config.hosts, config.broker.host])].sort();
  const authority = issuers.present();
  if (isFresh(kept, { hosts, authority: authority.certificate })) return kept;
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { der } = await issuance.toController({
    ...{ actor: "controller", commonName: "broker", usage: "serverAuth", hosts, profile: "listener" },
    ...{ spki: pair.publicKey.export({ type: "spki", format: "der" }), keyAlgorithm: "P-256" },
    ...{ validity: durationOf(config.listenerValidity), backdate: 3_600_000 },
    commit: async () => undefined,
  });
  const chain = [der, authority.certificate, ...authority.chain].map(pemOf).join("");
  return `${chain}${pair.privateKey.export({ type: "pkcs8", format: "pem" })}`;
}

function isFresh(
  kept: string,
  { hosts, authority }: { readonly hosts: readonly string[]; readonly authority: Uint8Array },
): boolean {
  const [leaf, issuer] = pemDecode(kept, "CERTIFICATE");
  if (leaf === undefined || issuer === undefined || Buffer.compare(issuer, authority) !== 0) return false;
  const { notBefore, notAfter, subjectAlternativeNames } = parseCertificate(leaf);
  const named = new Set([...subjectAlternativeNames.dns, ...subjectAlternativeNames.ips]);
  const now = Date.now();
  // Addresses of IPv6 are written in many ways.
  const isNamed = named.size === hosts.length && hosts.every((host) => named.has(host) || host.includes(":"));
  return now >= notBefore && now < notBefore + ((notAfter - notBefore) * 2) / 3 && isNamed;
}

/** As mosquitto_passwd writes it: PBKDF2 with SHA-512, 101 rounds, for a password of 192 random bits. */
function passwordLine(password: string): string {
  const salt = randomBytes(12);
  const hash = pbkdf2Sync(password, salt, rounds, 64, "sha512");
  return `${kickUser}:$7$${rounds}$${salt.toString("base64")}$${hash.toString("base64")}\n`;
}

async function readOr(path: string, otherwise: string): Promise<string> {
  return await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return otherwise;
    throw new FleetError("config-invalid", `${path} of the external broker cannot be read`, { cause });
  });
}

const pemOf = (der: Uint8Array): string => pemEncode("CERTIFICATE", der);
/** Measured with 2.0.11: at SIGHUP a listener with a crlfile reads its cafile too, one without does not. */
const readAtStart: ReadonlySet<string> = new Set([brokerFileNames.controllers]);
const passwordName = "kick-password";
const rounds = 101;
