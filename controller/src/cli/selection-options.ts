import { readFile } from "node:fs/promises";
import { FleetError, isDeviceId } from "@fleetcert/shared";
import type { Command } from "commander";
import type { SelectionRequest } from "../access/governed.ts";

/** The ways a command lets devices and certificates be named. */
export interface SelectionOptions {
  readonly device?: string;
  readonly serial?: string;
  readonly filter?: string;
  readonly file?: string;
  readonly batch?: string;
}

/** Adds the options; exactly one of them is to be given. */
export function addSelectionOptions(command: Command): Command {
  return command
    .option("--device <id>", "a device with all its certificates")
    .option("--serial <hex>", "one certificate")
    .option("--filter <expression>", "devices, such as 'site=berlin && owner=team-a'")
    .option("--file <file>", "device ids and serials, one a line; # begins a comment")
    .option("--batch <lot>", "a production lot: devices tagged lot:LOT, or enrolled with the claim LOT");
}

/** What the options select. Throws `usage`. */
export async function selectionOf(options: SelectionOptions): Promise<SelectionRequest> {
  const { device, serial, filter, file, batch } = options;
  const given = [device, serial, filter, file, batch].filter((way) => way !== undefined);
  if (given.length !== 1) throw new FleetError("usage", "name one of --device, --serial, --filter, --file or --batch");
  if (device !== undefined) return { device };
  if (serial !== undefined) return { serial };
  if (filter !== undefined) return { filter };
  if (batch !== undefined) return { batch };
  return { listed: await readSelection(file ?? "") };
}

async function readSelection(file: string): Promise<{ readonly devices: string[]; readonly serials: string[] }> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new FleetError("usage", `${file} cannot be read`, { cause });
  });
  const lines = text.split(/\r?\n/).map((line) => line.replace(/#.*/, "").trim());
  const words = lines.filter((line) => line !== "");
  const wrong = words.find((word) => !isSerial(word) && !isDeviceId(word));
  if (wrong !== undefined) {
    throw new FleetError("usage", `${file}: "${wrong.slice(0, 80)}" is neither a device id nor a serial`);
  }
  return { devices: words.filter((word) => !isSerial(word)), serials: words.filter(isSerial) };
}

/** Our serials have 20 octets and begin with 01; a device id of 40 hex digits that begins so must be named by --device. */
const isSerial = (word: string): boolean => /^01[0-9a-f]{38}$/i.test(word);
