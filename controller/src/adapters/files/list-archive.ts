import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "@fleetcert/shared";
import type { ListArchive } from "../../ports.ts";
import { writeDurably } from "./write-durably.ts";

/** Keeps the newest list of each shard as `<issuer>-<shard>.crl`, DER, readable by local software. */
export function openListArchive(directory: string): ListArchive {
  return {
    async save({ issuer, shard, der }) {
      await mkdir(directory, { recursive: true, mode: 0o755 });
      await writeDurably(join(directory, `${issuer}-${shard}.crl`), der, 0o644);
    },
    async list(issuer) {
      const found = (await readNames(directory)).map((name) => fileForm.exec(name)).filter((match) => match !== null);
      return await Promise.all(
        found
          .filter(([, of]) => of === issuer)
          .map(async ([name, , shard]) => ({
            shard: Number(shard),
            der: new Uint8Array(await readFile(join(directory, name))),
          })),
      );
    },
  };
}

async function readNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new FleetError("data-directory", `${directory} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

const fileForm = /^([0-9a-f]{64})-(0|[1-9][0-9]{0,4})\.crl$/;
