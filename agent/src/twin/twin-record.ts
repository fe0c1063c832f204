import { FleetError, isFleetError, sha256 } from "@fleetcert/shared";
import type { StateChange, StateStore } from "../ports.ts";

/** The changes that keep a value as a twin: two copies under one name, each with its checksum. */
export function putTwin(name: string, value: Uint8Array): StateChange[] {
  const record = Buffer.concat([sha256(value), value]);
  return copies(name).map((put) => ({ put, value: record }));
}

/** The changes that forget a twin. */
export function deleteTwin(name: string): StateChange[] {
  return copies(name).map((key) => ({ delete: key }));
}

/**
 * The value of a twin, undefined when neither copy exists. A damaged or missing copy is written anew from the sound one.
 * Throws `store-corrupt` when copies exist and none is sound.
 */
export async function readTwin(state: StateStore, name: string): Promise<Uint8Array | undefined> {
  const found = await Promise.all(copies(name).map((key) => readCopy(state, key)));
  if (found.every((record) => record === undefined)) return undefined;
  const values = found.map((record) => (record === undefined ? undefined : soundValue(record)));
  const sound = values.find((value) => value !== undefined);
  if (sound === undefined) throw new FleetError("store-corrupt", `both copies of ${name} are damaged`);
  if (values.some((value) => value === undefined)) await state.write(putTwin(name, sound));
  return sound;
}

/** A copy that the store itself found damaged counts as one without a sound value. */
async function readCopy(state: StateStore, key: string): Promise<Uint8Array | undefined> {
  try {
    return await state.read(key);
  } catch (error) {
    if (!isFleetError(error, "store-corrupt")) throw error;
    return new Uint8Array();
  }
}

function soundValue(record: Uint8Array): Uint8Array | undefined {
  const value = record.subarray(checksumBytes);
  const isSound =
    record.length >= checksumBytes && Buffer.compare(sha256(value), record.subarray(0, checksumBytes)) === 0;
  return isSound ? value : undefined;
}

const copies = (name: string): string[] => [`${name}/a`, `${name}/b`];
const checksumBytes = 32;
