import { execFileSync } from "node:child_process";
import { mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OptionalPart } from "../programs/optional-part.ts";
import { softHsmModule } from "./softhsm.ts";

/** What goes wrong in a {@link FaultToken}. */
export interface TokenFault {
  /** The call that fails, from 1, among those that match; counted from when the fault is armed. */
  readonly at: number;
  /** How many in a row; 1 by default. */
  readonly times?: number;
  /** What it answers; without, the call is only held up. */
  readonly result?: FaultResult;
  readonly hangMs?: number;
  /** The call is made and its result lost. */
  readonly isAfter?: boolean;
  /** Only this function counts. */
  readonly only?: string;
}

/** A PKCS#11 module that passes every call on to SoftHSM2 and fails the ones a test chooses. */
export interface FaultToken {
  readonly modulePath: string;
  arm(fault: TokenFault): void;
  /** Nothing fails any more; counting begins at 0, of one function or all. */
  disarm(only?: string): void;
  /** Calls since the last `arm` or `disarm`, and those that failed. */
  counts(): { readonly calls: number; readonly failed: number; readonly last: string };
  remove(): void;
}

/** For `describeWith`: what builds the module. */
export const compilerPart: OptionalPart = {
  name: "a C compiler",
  isPresent: hasCompiler(),
  install: "sudo apt-get install build-essential",
};

/** Builds the module; it is loaded once per process, so there is one a process. SoftHSM2 must have been started. */
export function buildFaultToken(): FaultToken {
  const directory = mkdtempSync(join(tmpdir(), "fleetcert-fault-"));
  const modulePath = join(directory, "fault-token.so");
  const source = join(import.meta.dirname, "../../native/fault-token.c");
  execFileSync("cc", [
    "-shared",
    "-fPIC",
    "-O1",
    "-Wall",
    "-Wextra",
    "-fvisibility=hidden",
    "-o",
    modulePath,
    source,
    "-ldl",
  ]);
  const control = join(directory, "control");
  writeFileSync(control, Buffer.alloc(256));
  process.env["FAULT_TOKEN_MODULE"] = softHsmModule;
  process.env["FAULT_TOKEN_CONTROL"] = control;
  const file = openSync(control, "r+");
  const write = (fields: readonly number[], only = ""): void => {
    const bytes = Buffer.alloc(256);
    for (const [at, field] of fields.entries()) bytes.writeBigUInt64LE(BigInt(field), at * 8);
    bytes.write(only, 64, 63, "latin1");
    writeSync(file, bytes, 0, bytes.length, 0);
  };
  return {
    modulePath,
    arm: ({ at, times = 1, result, hangMs = 0, isAfter = false, only }) =>
      write([0, at, times, result === undefined ? 0 : results[result], hangMs * 1000, isAfter ? 1 : 0], only),
    disarm: (only) => write([], only),
    counts() {
      const bytes = Buffer.alloc(256);
      readSync(file, bytes, 0, bytes.length, 0);
      const last = bytes.toString("latin1", 128, 192).replaceAll("\0", "");
      return { calls: Number(bytes.readBigUInt64LE(0)), failed: Number(bytes.readBigUInt64LE(48)), last };
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function hasCompiler(): boolean {
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

// PKCS#11 3.0 §5.1.
const results = {
  CKR_HOST_MEMORY: 0x2,
  CKR_GENERAL_ERROR: 0x5,
  CKR_FUNCTION_FAILED: 0x6,
  CKR_DEVICE_ERROR: 0x30,
  CKR_DEVICE_MEMORY: 0x31,
  CKR_DEVICE_REMOVED: 0x32,
  CKR_PIN_INCORRECT: 0xa0,
  CKR_SESSION_COUNT: 0xb1,
  CKR_SESSION_HANDLE_INVALID: 0xb3,
  CKR_TOKEN_NOT_PRESENT: 0xe0,
  CKR_USER_NOT_LOGGED_IN: 0x101,
} as const;

/** What a call may be made to answer. */
export type FaultResult = keyof typeof results;
