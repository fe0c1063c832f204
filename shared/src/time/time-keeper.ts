import type { Duration, Instant } from "./instant.ts";

/** Both clocks of the machine, read at the same moment. */
export interface ClockReading {
  readonly wall: Instant;
  readonly monotonic: Duration;
}

/** A moment known for certain at a monotonic time of this process. */
interface Mark {
  readonly at: Instant;
  readonly monotonic: Duration;
}

/** The part of {@link TimeKnowledge} that outlives the process. */
export interface TimeFloor {
  /** Era of the trust bundle that last set the floor; undefined before the first one. */
  readonly era: number | undefined;
  /** The present is not before this. */
  readonly at: Instant;
}

/** All a device knows of the present (DESIGN.md section 6, Time). */
export interface TimeKnowledge {
  readonly floor: TimeFloor;
  /** The highest signed time that is credible; the present is at least as far behind it as the process has run since. */
  readonly lowerBound: Mark;
  /** What was the floor when the process began; bounds how far signed times may lift it within one process. */
  readonly beginning: Mark;
  /** The last signed time bound to a nonce of ours. */
  readonly anchor: Anchor | undefined;
}

/** A signed time about the present; one that a courier brought may be as old as `maxAge` by the time it is taken. */
interface Anchor extends Mark {
  readonly maxAge: Duration;
}

/** The estimated present. */
export interface EstimatedTime {
  readonly at: Instant;
  /** `anchored`: by a fresh signed time; `unverified`: by the wall clock alone; `unknown`: the wall clock is below the floor. */
  readonly status: "anchored" | "unverified" | "unknown";
}

/**
 * Where a signed time comes from: `token` is bound to a nonce of ours and so about the present; `message` (sent at,
 * thisUpdate) and `issuance` (notBefore of a certificate of ours) may be old and are lower bounds only.
 */
export type TimeEvidence = "token" | "message" | "issuance";

/** Knowledge at the start of a process; without a stored floor the build time is the floor. */
export function beginTime(
  reading: ClockReading,
  options: { readonly buildTime: Instant; readonly stored: TimeFloor | undefined },
): TimeKnowledge {
  const { buildTime, stored } = options;
  const at = Math.max(buildTime, stored?.at ?? buildTime);
  const mark = { at, monotonic: reading.monotonic };
  return { floor: { era: stored?.era, at }, lowerBound: mark, beginning: mark, anchor: undefined };
}

/** The estimated present: never below the floor; the wall clock only where nothing signed contradicts it. */
export function estimateTime(knowledge: TimeKnowledge, reading: ClockReading): EstimatedTime {
  const { floor, anchor, lowerBound } = knowledge;
  const atLeast = progress(lowerBound, reading);
  if (anchor !== undefined) {
    const signed = Math.max(progress(anchor, reading), atLeast);
    return { at: agree(reading.wall, signed, anchor) ? Math.max(reading.wall, floor.at) : signed, status: "anchored" };
  }
  if (reading.wall >= floor.at) return { at: reading.wall, status: "unverified" };
  return { at: atLeast, status: "unknown" };
}

/**
 * Takes a signed time. A token anchors the process whatever it says: where the wall clock shows a time at which the token could
 * have come, that is the time, else the token's is. Any evidence raises the floor, but for a time more
 * than 30 days above what the floor and an uncontradicted wall clock make credible: that needs a root's signature, see
 * {@link enterEra}. Steps of less than a minute leave the floor as it is and spare the disk.
 */
export function acceptTime(
  knowledge: TimeKnowledge,
  reading: ClockReading,
  claim: {
    readonly signedTime: Instant;
    readonly evidence: TimeEvidence;
    /** How long a token may have been under way; nothing where it is left out. */
    readonly maxAge?: Duration;
  },
): TimeKnowledge {
  const { signedTime, evidence, maxAge = 0 } = claim;
  const mark = { at: signedTime, monotonic: reading.monotonic };
  const anchor = evidence === "token" ? closerAnchor(knowledge.anchor, { ...mark, maxAge }, reading) : knowledge.anchor;
  if (signedTime > credible(knowledge, reading) + farAbove) return { ...knowledge, anchor };
  const { floor } = knowledge;
  return {
    ...knowledge,
    anchor,
    lowerBound: signedTime > progress(knowledge.lowerBound, reading) ? mark : knowledge.lowerBound,
    floor: signedTime >= floor.at + floorStep ? { era: floor.era, at: signedTime } : floor,
  };
}

/**
 * Takes the issue time of a root-signed trust bundle. The first era raises the floor however far; a higher era sets it, also
 * down, and forgets what was signed in the old one; the same or a lower era changes nothing.
 */
export function enterEra(
  knowledge: TimeKnowledge,
  reading: ClockReading,
  entry: { readonly era: number; readonly signedTime: Instant; readonly buildTime: Instant },
): TimeKnowledge {
  const { floor } = knowledge;
  if (floor.era !== undefined && entry.era <= floor.era) return knowledge;
  const isFirst = floor.era === undefined;
  const at = Math.max(entry.signedTime, isFirst ? floor.at : entry.buildTime);
  const mark = { at, monotonic: reading.monotonic };
  return {
    floor: { era: entry.era, at },
    lowerBound: mark,
    beginning: mark,
    anchor: isFirst ? knowledge.anchor : undefined,
  };
}

/** A token that was under way says nothing new to whoever knows the present better already. */
function closerAnchor(known: Anchor | undefined, offered: Anchor, reading: ClockReading): Anchor {
  const isKnown = known !== undefined && known.maxAge < offered.maxAge && progress(known, reading) >= offered.at;
  return isKnown ? known : offered;
}

/** The latest present that does not rest on signed times of this process, so that they cannot lift each other. */
function credible({ beginning, anchor }: TimeKnowledge, reading: ClockReading): Instant {
  const fromBeginning = progress(beginning, reading);
  const isContradicted = anchor !== undefined && !agree(reading.wall, progress(anchor, reading), anchor);
  return isContradicted ? fromBeginning : Math.max(fromBeginning, reading.wall);
}

/** An instant is a whole number of milliseconds; the monotonic clock counts finer. */
function progress(mark: Mark, { monotonic }: ClockReading): Instant {
  return mark.at + Math.floor(Math.max(0, monotonic - mark.monotonic));
}

function agree(wall: Instant, signed: Instant, { maxAge }: Anchor): boolean {
  return wall >= signed - wallTolerance && wall <= signed + maxAge + wallTolerance;
}

const wallTolerance: Duration = 5 * 60_000;
const floorStep: Duration = 60_000;
const farAbove: Duration = 30 * 86_400_000;
