import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { FleetError } from "@fleetcert/shared";
import { maxTpmMessageBytes, type TpmTransport } from "./transport.ts";

/** The calls of node:fs that a TPM's device file needs. */
export interface DeviceFiles {
  open(path: string): number;
  write(file: number, octets: Uint8Array): number;
  read(file: number, room: Uint8Array): number;
  close(file: number): void;
}

/**
 * The way to a TPM by its device file, `/dev/tpmrm0`: one write is a command, one read its response, and both wait.
 * The kernel's resource manager swaps objects and flushes what is left when the file is closed.
 *
 * Tested over a fake file only, never on hardware. The kernel bounds a command itself (up to minutes for an RSA key).
 */
export function openDeviceTransport(path: string, files: DeviceFiles = deviceFiles): TpmTransport {
  let file: number | undefined;
  const close = (): void => {
    if (file !== undefined) files.close(file);
    file = undefined;
  };
  const transact = (command: Uint8Array): Uint8Array => {
    try {
      file ??= files.open(path);
      const written = files.write(file, command);
      if (written !== command.length) throw new Error(`${written} of ${command.length} octets were taken`);
      const room = new Uint8Array(maxTpmMessageBytes);
      const length = files.read(file, room);
      if (length <= 0) throw new Error("it gave no response");
      return room.subarray(0, length);
    } catch (cause) {
      close();
      throw unavailable(path, cause);
    }
  };
  return { transact, close };
}

function unavailable(path: string, cause: unknown): FleetError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return new FleetError("key-store-unavailable", `the TPM at ${path} cannot be used${code === "" ? "" : `: ${code}`}`, {
    hint: hints[code] ?? "look into the kernel's log for the word tpm",
    retry: true,
    cause,
  });
}

const hints: Readonly<Record<string, string>> = {
  ENOENT: "this machine has no TPM 2.0, or it is switched off in the firmware",
  EACCES: "run as a member of the group tss, or give this user the device by a udev rule",
  EBUSY: "another program holds the device; use /dev/tpmrm0, which several may open",
};

const deviceFiles: DeviceFiles = {
  open: (path) => openSync(path, constants.O_RDWR),
  write: (file, octets) => writeSync(file, octets),
  read: (file, room) => readSync(file, room, 0, room.length, null),
  close: closeSync,
};
