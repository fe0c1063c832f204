import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { FleetError } from "@fleetcert/shared";
import { makeFolder } from "./make-folder.ts";

/** Makes a file with a random passphrase of 256 bits, its owner's alone, unless there is one. Throws `data-directory`. */
export async function ensureSecretFile(path: string): Promise<void> {
  try {
    await makeFolder(dirname(path));
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(`${randomBytes(32).toString("base64url")}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return;
    throw new FleetError("data-directory", `${path} cannot be made`, { cause });
  }
}
