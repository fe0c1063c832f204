import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initialiseToken } from "@fleetcert/hw";
import { Secret } from "@fleetcert/shared";
import type { OptionalPart } from "../programs/optional-part.ts";

/** Where Debian and others put SoftHSM2's module; undefined when it is not installed. */
export const softHsmModule: string | undefined = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so",
].find((path) => existsSync(path));

/** For `describeWith`. */
export const softHsmPart: OptionalPart = {
  name: "SoftHSM2",
  isPresent: softHsmModule !== undefined,
  install: "sudo apt-get install softhsm2",
};

/** A SoftHSM2 store of its own, which this process and its children use. */
export interface SoftHsm {
  readonly modulePath: string;
  /** Holds the configuration and the tokens. */
  readonly directory: string;
  /** For child processes. */
  readonly env: { readonly SOFTHSM2_CONF: string };
  /** A fresh token with PINs of its own. */
  createToken(label?: string): TestToken;
  /** Removes the store; the module stays loaded, so no token of it may be used afterwards. */
  remove(): void;
}

/** A token made by {@link SoftHsm.createToken}. */
export interface TestToken {
  readonly tokenLabel: string;
  readonly serial: string;
  readonly pin: Secret;
  readonly soPin: Secret;
  /**
   * Whether SoftHSM2 has lost it: it rewrites `token.object` in place at each login, so that a process killed inside that
   * write (145 kills in a loop of logins: 94 times) leaves it empty. No agent can undo that.
   */
  isTorn(): boolean;
}

/**
 * Starts a SoftHSM2 store for this process. The module reads its configuration once per process, so the first call
 * decides and later ones get the same store. Throws when SoftHSM2 is not installed (`apt-get install softhsm2`).
 */
export function startSoftHsm(): SoftHsm {
  if (softHsmModule === undefined) throw new Error("SoftHSM2 is not installed: sudo apt-get install softhsm2");
  current ??= makeStore(softHsmModule);
  return current;
}

function makeStore(modulePath: string): SoftHsm {
  const directory = mkdtempSync(join(tmpdir(), "fleetcert-softhsm-"));
  const configuration = join(directory, "softhsm2.conf");
  const tokens = join(directory, "tokens");
  mkdirSync(tokens);
  writeFileSync(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  process.env["SOFTHSM2_CONF"] = configuration;
  return {
    modulePath,
    directory,
    env: { SOFTHSM2_CONF: configuration },
    createToken(tokenLabel = `test-${randomBytes(4).toString("hex")}`) {
      const [userPin, soPin] = [pin(), pin()];
      const before = new Set(readdirSync(tokens));
      const { serial } = initialiseToken({ modulePath, label: tokenLabel, soPin, userPin });
      const own = readdirSync(tokens).find((name) => !before.has(name)) ?? "";
      const isTorn = () => statSync(join(tokens, own, "token.object")).size === 0;
      return { tokenLabel, serial, pin: userPin, soPin, isTorn };
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

const pin = (): Secret => Secret.of(randomBytes(6).toString("hex"));

let current: SoftHsm | undefined;
