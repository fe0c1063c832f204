import { existsSync } from "node:fs";
import { arch } from "node:process";

/**
 * The environment of a process whose wall clock shows another time and goes on from there, as with a wrong real-time clock:
 * `@1970-01-01 00:01:00` or `-400d`. Undefined without libfaketime.
 */
export function wallClock(faketime: string): Readonly<Record<string, string>> | undefined {
  const library = libraries.find((path) => existsSync(path));
  if (library === undefined) return undefined;
  const environment = { LD_PRELOAD: library, FAKETIME: faketime, NO_FAKE_STAT: "1", TZ: "UTC" };
  return { ...environment, FAKETIME_DONT_FAKE_MONOTONIC: "1" };
}

/** The environment that makes a process live days ahead (or behind, when negative); undefined without libfaketime. */
export function skewedClock(days: number): Readonly<Record<string, string>> | undefined {
  const library = libraries.find((path) => existsSync(path));
  if (library === undefined) return undefined;
  return { LD_PRELOAD: library, FAKETIME: `${days < 0 ? "-" : "+"}${Math.abs(days)}d`, NO_FAKE_STAT: "1" };
}

const triplet = arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
const libraries = [`/usr/lib/${triplet}/faketime/libfaketimeMT.so.1`, "/usr/lib/faketime/libfaketimeMT.so.1"];
