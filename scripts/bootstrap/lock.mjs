import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { note } from "./step.mjs";

const heartbeatMs = 5_000;
const staleAfterMs = 60_000;
const pollMs = 200;

/**
 * Does the work while no other process on this checkout does; waits as long as the holder lives.
 * A holder that died, or has not touched the file for a minute (its pid may be somebody else's now), is overruled.
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, work) {
  mkdirSync(dirname(file), { recursive: true });
  for (let told = false; !tryTake(file); ) {
    if (isStale(file)) {
      discard(file);
      continue;
    }
    if (!told) note(`another set-up is at work here (process ${holder(file)}); waiting for it`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  const heartbeat = setInterval(() => touch(file), heartbeatMs);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(file, { force: true });
  }
}

/** A link appears with its content or not at all, so that nobody ever reads a half-written pid. */
function tryTake(file) {
  const mine = `${file}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    linkSync(mine, file);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

function holder(file) {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function isStale(file) {
  const pid = holder(file);
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return Date.now() - statSync(file).mtimeMs > staleAfterMs;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

/** Of several who see the same stale lock one wins the rename; who catches the winner's fresh lock puts it back. */
function discard(file) {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
    if (!isStale(aside)) linkSync(aside, file);
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function touch(file) {
  try {
    utimesSync(file, new Date(), new Date());
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}
