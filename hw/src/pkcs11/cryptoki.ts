import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { FleetError } from "@fleetcert/shared";
import type { Mechanism, PKCS11, Template } from "pkcs11js";
import { resultName, tokenError } from "./token-error.ts";

/** A PKCS#11 module that is loaded and initialised; every method is the C function of the same name. */
export type Cryptoki = PKCS11;
export type { Mechanism, Template };

/** A handle of a slot, session or object. */
export type Handle = Buffer;

/**
 * The PKCS#11 module at a path, initialised once per process and never finalised: other users may hold sessions in it.
 *
 * It may be used from several threads (CKF_OS_LOCKING_OK). The same path always gives the same instance.
 * Throws `key-store-missing` when pkcs11js or the module is not installed, `key-store-unavailable` when it does not load.
 */
export function loadCryptoki(modulePath: string): Cryptoki {
  const path = findModule(modulePath);
  const known = loaded.get(path);
  if (known !== undefined) return known;
  const { PKCS11 } = pkcs11js();
  const cryptoki = new PKCS11();
  try {
    cryptoki.load(path);
  } catch (cause) {
    throw new FleetError("key-store-unavailable", `the PKCS#11 module ${modulePath} does not load`, {
      hint: "it must be a PKCS#11 module built for this machine and C library",
      cause,
    });
  }
  initialise(cryptoki);
  loaded.set(path, cryptoki);
  return cryptoki;
}

/** Finalises a module and initialises it anew: the last resort for one that no longer sees its tokens. Ends all sessions. */
export function reinitialise(cryptoki: Cryptoki): void {
  try {
    cryptoki.C_Finalize();
  } catch (error) {
    // It was finalised by another, or cannot even do that any more: initialising tells.
    if (resultName(error) === undefined) throw error;
  }
  initialise(cryptoki);
}

/** The constants of pkcs11js; throws `key-store-missing` when it is not installed. */
export function pkcs11js(): typeof import("pkcs11js") {
  try {
    return require("pkcs11js");
  } catch (cause) {
    throw new FleetError("key-store-missing", "pkcs11js, which talks to PKCS#11 tokens, is not installed", {
      hint: "sudo apt-get install build-essential python3 && npm rebuild pkcs11js",
      cause,
    });
  }
}

function findModule(modulePath: string): string {
  if (!existsSync(modulePath)) {
    throw new FleetError("key-store-missing", `there is no PKCS#11 module ${modulePath}`, {
      hint: "for SoftHSM2: sudo apt-get install softhsm2; for other tokens install the module of their maker",
    });
  }
  return realpathSync(modulePath);
}

function initialise(cryptoki: Cryptoki): void {
  try {
    cryptoki.C_Initialize({ flags: CKF_OS_LOCKING_OK });
  } catch (error) {
    // Another thread or library of this process was first; the state is the process's.
    if (resultName(error) === "CKR_CRYPTOKI_ALREADY_INITIALIZED") return;
    throw tokenError("C_Initialize", error);
  }
}

const require = createRequire(import.meta.url);
const loaded = new Map<string, Cryptoki>();

// PKCS#11 3.0 §3.7: the module may use the operating system's locks.
const CKF_OS_LOCKING_OK = 2;
