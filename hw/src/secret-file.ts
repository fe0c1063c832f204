import { readFileSync, statSync } from "node:fs";
import { FleetError, Secret, type SecretSource } from "@fleetcert/shared";

/**
 * A secret in a file, read anew each time it is asked for; one line break at the end does not count.
 *
 * Asking throws `config-invalid` when the file is missing, empty, larger than 4 KiB, or readable by others.
 */
export function secretFile(path: string): SecretSource {
  return () => {
    const text = read(path).replace(/\r?\n$/, "");
    if (text === "") throw invalid(`the secret file ${path} is empty`, "write the secret into it");
    return Secret.of(text);
  };
}

function read(path: string): string {
  try {
    const { mode, size } = statSync(path);
    if ((mode & 0o077) !== 0) throw invalid(`the secret file ${path} can be read by others`, `chmod 600 ${path}`);
    if (size > 4096)
      throw invalid(`the secret file ${path} has ${size} bytes, at most 4096 are read`, "check the path");
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError("config-invalid", `the secret file ${path} cannot be read`, { cause });
  }
}

const invalid = (message: string, hint: string): FleetError => new FleetError("config-invalid", message, { hint });
