import type { BodyOf } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";

/** What a device keeps until the controller has said that it has stored it. */
export type OutboxBody = BodyOf<"event"> | BodyOf<"ack"> | BodyOf<"report">;

/** One thing that waits. */
export interface OutboxEntry {
  readonly key: string;
  readonly body: OutboxBody;
  readonly bytes: number;
}

/** How much may wait in an outbox. */
export interface OutboxBounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** What changes when a body is put in: entries that go, and where the body stands; undefined when nothing is to be kept. */
export interface Placement {
  readonly remove: readonly OutboxEntry[];
  /** Put in the place of this entry, or at the end. */
  readonly place: { readonly body: OutboxBody; readonly instead: OutboxEntry | undefined } | undefined;
}

/**
 * Decides where a body goes. Reports give way first and only the newest is kept; an equal ack is kept once; equal events
 * (name and details) become one with a `count`. An event or an ack that was taken is never dropped. When there is no room
 * even without reports and superseded acks, a new event is counted by its name in one entry beyond the bounds,
 * {@link overflowName}, so that the controller learns of each; a new ack is refused with `rate-limited`, and told at the next start.
 *
 * `sizeOf` is the encoded size of a body; an entry in `busy` is being sent and is not changed.
 */
export function makeRoom(
  entries: readonly OutboxEntry[],
  body: OutboxBody,
  options: {
    readonly bounds: OutboxBounds;
    readonly busy: ReadonlySet<string>;
    readonly sizeOf: (body: OutboxBody) => number;
  },
): Placement {
  const { bounds, sizeOf } = options;
  const reports = entries.filter((entry) => entry.body.type === "report");
  const others = entries.filter((entry) => entry.body.type !== "report");
  const fits = (kept: readonly OutboxEntry[], added: OutboxBody): boolean =>
    kept.length < bounds.maxEntries && sum(kept) + sizeOf(added) <= bounds.maxBytes;

  if (body.type === "report") {
    return { remove: reports, place: fits(others, body) ? { body, instead: undefined } : undefined };
  }
  if (entries.some((entry) => isSameAck(entry.body, body))) return { remove: [], place: undefined };
  const folded = fold(entries, body, options.busy);
  if (folded !== undefined) return { remove: [], place: folded };
  const place = { body, instead: undefined };
  if (fits(entries, body)) return { remove: [], place };
  if (fits(others, body)) return { remove: reports, place };
  const superseded = others.filter((entry) => isSuperseded(entry.body, body));
  const rest = others.filter((entry) => !superseded.includes(entry));
  if (fits(rest, body)) return { remove: [...reports, ...superseded], place };
  if (body.type === "event") return { remove: reports, place: countedByName(others, body, options.busy) };
  throw new FleetError(
    "rate-limited",
    `${others.length} things wait for the controller, there is no room for another`,
    {
      hint: "the device has to reach the controller",
      retry: true,
    },
  );
}

function isSameAck(kept: OutboxBody, added: OutboxBody): boolean {
  return kept.type === "ack" && added.type === "ack" && isSameIssuer(kept, added) && compareEpochs(kept, added) === 0;
}

/** Whether one body says what another does and more: who has applied a higher epoch has applied all before it. */
export function isSuperseded(kept: OutboxBody, by: OutboxBody): boolean {
  return kept.type === "ack" && by.type === "ack" && isSameIssuer(kept, by) && compareEpochs(kept, by) < 0;
}

function isSameIssuer(a: BodyOf<"ack">, b: BodyOf<"ack">): boolean {
  return a.issuer === b.issuer;
}

function compareEpochs(a: BodyOf<"ack">, b: BodyOf<"ack">): number {
  return a.era - b.era || a.epoch - b.epoch;
}

function fold(
  entries: readonly OutboxEntry[],
  added: OutboxBody,
  busy: ReadonlySet<string>,
): Placement["place"] | undefined {
  if (added.type !== "event") return undefined;
  const instead = entries.find(({ key, body }) => !busy.has(key) && body.type === "event" && isSameEvent(body, added));
  if (instead?.body.type !== "event") return undefined;
  if (instead.body.details["count"] === undefined && Object.keys(added.details).length >= maxDetails) return undefined;
  const count = Number(instead.body.details["count"] ?? 1) + 1;
  return { body: { ...instead.body, details: { ...instead.body.details, count: String(count) } }, instead };
}

/** At most two such entries wait: one that is being sent and one that grows. */
function countedByName(
  entries: readonly OutboxEntry[],
  added: BodyOf<"event">,
  busy: ReadonlySet<string>,
): NonNullable<Placement["place"]> {
  const { at } = added;
  const instead = entries.find(
    ({ key, body }) => !busy.has(key) && body.type === "event" && body.name === overflowName,
  );
  const counts = instead?.body.type === "event" ? instead.body.details : {};
  const isNamed = added.name in counts || Object.keys(counts).length < maxDetails - 1;
  const name = isNamed ? added.name : otherNames;
  const details = { ...counts, [name]: String(Number(counts[name] ?? 0) + 1) };
  return { body: { type: "event", name: overflowName, at, details }, instead };
}

function isSameEvent(a: BodyOf<"event">, b: BodyOf<"event">): boolean {
  return a.name === b.name && detailsOf(a) === detailsOf(b);
}

function detailsOf({ details }: BodyOf<"event">): string {
  const told = Object.entries(details).filter(([name]) => name !== "count");
  return JSON.stringify(told.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function sum(entries: readonly OutboxEntry[]): number {
  return entries.reduce((total, { bytes }) => total + bytes, 0);
}

/** Name of the event that counts those that found no room, by their names. */
export const overflowName = "outbox-overflow";
const otherNames = "other";
/** The codec takes no more. */
const maxDetails = 32;
