import { FleetError } from "@fleetcert/shared";
import {
  type CredentialRecord,
  type Journal,
  journalNames,
  type KeyRecord,
  type RenewalPlan,
  type RenewalWindow,
  type SlotState,
} from "./slot-state.ts";

/** Encodes a slot's state for the store: JSON, octets in base64. */
export function encodeSlotState(state: SlotState): Uint8Array {
  const text = JSON.stringify({ version, ...state }, (_, value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
  );
  return new TextEncoder().encode(text);
}

/** Reads what {@link encodeSlotState} wrote. Throws `store-corrupt` for anything else. */
export function decodeSlotState(bytes: Uint8Array): SlotState {
  try {
    return slotStateOf(new Fields(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))));
  } catch (cause) {
    throw new FleetError("store-corrupt", "the renewal journal cannot be read", {
      cause,
      hint: "restore the state directory from its backup, or enrol the device again after a person has re-approved it",
    });
  }
}

function slotStateOf(fields: Fields): SlotState {
  if (fields.number("version") !== version) throw new TypeError("unknown version");
  return {
    current: fields.maybe("current", credentialOf),
    journal: journalOf(fields.object("journal")),
    unproven: fields.maybe("unproven", credentialOf),
    reenrolment: fields.has("reenrolment") ? fields.number("reenrolment") : 0,
    window: fields.maybe("window", windowOf),
    plan: fields.maybe("plan", planOf),
    attempts: fields.number("attempts"),
    abandoned: fields.number("abandoned"),
    // A journal of before there were services has none of these.
    rollbacks: fields.has("rollbacks") ? fields.number("rollbacks") : 0,
    rollbackCause: fields.has("rollbackCause") ? fields.text("rollbackCause") : "",
    rollbackAt: fields.has("rollbackAt") ? fields.number("rollbackAt") : 0,
    lastError: fields.text("lastError"),
    lastReason: fields.text("lastReason"),
  };
}

function journalOf(fields: Fields): Journal {
  const at = journalNames.find((name) => name === fields.text("at"));
  switch (at) {
    case "idle":
      return { at };
    case "retired":
      return { at, isErased: fields.has("isErased") && fields.flag("isErased") };
    case "intended":
      return { at, generation: fields.number("generation") };
    case "keyGenerated":
      return { at, generation: fields.number("generation"), key: keyOf(fields.object("key")) };
    case "requested":
      return {
        at,
        generation: fields.number("generation"),
        key: keyOf(fields.object("key")),
        csr: fields.bytes("csr"),
      };
    case "issued":
    case "installed":
    case "reloaded":
    case "proving":
      return { at, next: credentialOf(fields.object("next")) };
    case "restoring":
      return { at, next: credentialOf(fields.object("next")), isGivenUp: fields.flag("isGivenUp") };
    case "confirmed":
      return {
        at,
        old: credentialOf(fields.object("old")),
        grace: fields.number("grace"),
        until: fields.number("until"),
      };
    case "oldRetired":
    case "abandoned":
      return { at, key: keyOf(fields.object("key")) };
    default:
      throw new TypeError("unknown journal state");
  }
}

function credentialOf(fields: Fields): CredentialRecord {
  return {
    generation: fields.number("generation"),
    key: keyOf(fields.object("key")),
    certificate: fields.bytes("certificate"),
    chain: fields.list("chain").map(bytesOf),
    notBefore: fields.number("notBefore"),
    notAfter: fields.number("notAfter"),
  };
}

function keyOf(fields: Fields): KeyRecord {
  return { ref: fields.text("ref"), id: fields.text("id") };
}

function windowOf(fields: Fields): RenewalWindow {
  return { generation: fields.number("generation"), start: fields.number("start"), end: fields.number("end") };
}

function planOf(fields: Fields): RenewalPlan {
  return { generation: fields.number("generation"), at: fields.number("at"), window: fields.maybe("window", windowOf) };
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value !== "string") throw new TypeError("not octets");
  return new Uint8Array(Buffer.from(value, "base64"));
}

/** Fields of a parsed object; every accessor throws TypeError when the field is of another type. */
class Fields {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("not an object");
    this.#values = value as Readonly<Record<string, unknown>>;
  }

  number(name: string): number {
    const value = this.#values[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new TypeError(`${name} is no integer`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#values[name];
    if (typeof value !== "boolean") throw new TypeError(`${name} is neither true nor false`);
    return value;
  }

  text(name: string): string {
    const value = this.#values[name];
    if (typeof value !== "string") throw new TypeError(`${name} is no text`);
    return value;
  }

  bytes(name: string): Uint8Array {
    return bytesOf(this.#values[name]);
  }

  list(name: string): unknown[] {
    const value = this.#values[name];
    if (!Array.isArray(value)) throw new TypeError(`${name} is no list`);
    return value;
  }

  object(name: string): Fields {
    return new Fields(this.#values[name]);
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  maybe<T>(name: string, read: (fields: Fields) => T): T | undefined {
    return this.has(name) ? read(this.object(name)) : undefined;
  }
}

const version = 1;
