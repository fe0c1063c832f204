import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "@fleetcert/shared";
import { runChild } from "./child.ts";
import { missingTpmPrograms } from "./emulated-tpm.ts";
import type { DemoKeys } from "./options.ts";
import { repository } from "./workplace.ts";

/** Where the devices' keys live in this run; `mixed` has each third device's elsewhere. */
export type KeyStoreKind =
  | { readonly kind: "pkcs11" | "mixed"; readonly module: string }
  | { readonly kind: "tpm" }
  | { readonly kind: "software"; readonly why: string };

/** Settings of an agent's key store, and what its process needs in its environment. */
export interface KeyStoreSettings {
  readonly keys: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Chooses the key store: a SoftHSM2 token when its module and the native parts are here. Throws `key-store-missing` when
 * another was asked for and what it needs is not here.
 */
export async function chooseKeyStore(wanted: DemoKeys): Promise<KeyStoreKind> {
  if (wanted === "software") return { kind: "software", why: "asked for" };
  if (wanted === "tpm" || wanted === "mixed") await requireTpms();
  if (wanted === "tpm") return { kind: "tpm" };
  const named = process.env["FLEETCERT_DEMO_SOFTHSM"];
  const module = (named === undefined ? softHsmModules : [named]).find((path) => existsSync(path));
  const missing = await whatIsMissing(module);
  if (missing === undefined && module !== undefined) return { kind: wanted === "mixed" ? "mixed" : "pkcs11", module };
  const hint = "apt-get install softhsm2 build-essential python3, then npm start again";
  if (wanted !== "auto") throw new FleetError("key-store-missing", `no token can be used: ${missing}`, { hint });
  return { kind: "software", why: `${missing}; ${hint}` };
}

/** Where the keys of the fleet's n-th device are. */
export function keyStoreOf({ kind }: KeyStoreKind, index: number): DeviceKeyStore {
  if (kind !== "mixed") return kind;
  return (["tpm", "pkcs11", "software"] as const)[index % 3] ?? "software";
}

/** The key store of one device. */
export type DeviceKeyStore = keyof typeof protectionOf;

/** How a key of each store counts with the controller. */
export const protectionOf = { tpm: "attested", pkcs11: "token", software: "software" } as const;

/** Emulated TPMs need their programs and the addon by which TLS signs. */
async function requireTpms(): Promise<void> {
  const lacking = missingTpmPrograms();
  const missing = lacking.length > 0 ? `${lacking.join(", ")} not installed` : await whatIsMissing("");
  if (missing === undefined) return;
  throw new FleetError("key-store-missing", `no TPM can be emulated: ${missing}`, {
    hint: "apt-get install swtpm swtpm-tools gnutls-bin build-essential python3, then npm start again",
  });
}

/** Makes a token of its own for one process, initialised by C_InitToken and C_InitPIN; no PIN is in any argument. */
export async function makeToken(module: string, folder: string, label: string): Promise<KeyStoreSettings> {
  const tokens = join(folder, "tokens");
  await mkdir(tokens, { recursive: true, mode: 0o700 });
  const conf = join(folder, "softhsm2.conf");
  await writeFile(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const pinFile = join(folder, "pin");
  await writeFile(pinFile, randomPin(), { mode: 0o600 });
  const soPinFile = join(folder, "so-pin");
  await writeFile(soPinFile, randomPin(), { mode: 0o600 });
  const env = { SOFTHSM2_CONF: conf };
  await runChild([join(repository, "scripts/demo/make-token.ts"), module, label, soPinFile, pinFile], {
    ...process.env,
    ...env,
  });
  return { keys: { provider: "pkcs11", module, token: label, pinFile }, env };
}

async function whatIsMissing(module: string | undefined): Promise<string | undefined> {
  if (module === undefined) return "SoftHSM2 is not installed";
  const probe = join(repository, "scripts/demo/probe-native.ts");
  return await runChild([probe]).then(
    () => undefined,
    () => "the native parts are not built (pkcs11js and the TLS addon need a compiler)",
  );
}

function randomPin(): string {
  return randomBytes(6).readUIntBE(0, 6).toString().padStart(12, "0").slice(0, 12);
}

const softHsmModules = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib64/softhsm/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so",
  "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];
