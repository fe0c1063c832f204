import { existsSync } from "node:fs";
import type { OptionalPart } from "./optional-part.ts";

const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
const library = [
  `/usr/lib/${triplet}/faketime/libfaketimeMT.so.1`,
  "/usr/lib/faketime/libfaketimeMT.so.1",
  "/usr/lib64/faketime/libfaketimeMT.so.1",
].find((path) => existsSync(path));

/** For `describeWith`. */
export const fakeTimePart: OptionalPart = {
  name: "libfaketime",
  isPresent: library !== undefined,
  install: "sudo apt-get install faketime",
};

/**
 * The environment of a process whose wall clock shows another time, `@1970-01-01 00:01:00` or `-400d`, and goes on from there; its
 * monotonic clock and the times of files are the machine's, as with a wrong real-time clock.
 */
export function wallClock(faketime: string): Readonly<Record<string, string>> {
  return {
    LD_PRELOAD: library ?? "",
    FAKETIME: faketime,
    NO_FAKE_STAT: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    TZ: "UTC",
  };
}
