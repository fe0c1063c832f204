import { readFile } from "node:fs/promises";
import { FleetError } from "@fleetcert/shared";

/** Who owns a file; empty leaves it to the agent's own user and group. Names or numbers. */
export interface FileOwner {
  readonly owner: string;
  readonly group: string;
}

/** Numbers for chown; −1 leaves one as it is. Throws `config-invalid` for a name this host does not know. */
export async function ownerIds({ owner, group }: FileOwner): Promise<{ readonly uid: number; readonly gid: number }> {
  return { uid: await idOf(owner, "/etc/passwd"), gid: await idOf(group, "/etc/group") };
}

async function idOf(name: string, file: string): Promise<number> {
  if (name === "") return -1;
  if (/^[0-9]{1,10}$/.test(name)) return Number(name);
  for (const line of (await readFile(file, "utf8")).split("\n")) {
    const [known, , id] = line.split(":");
    if (known === name && id !== undefined) return Number(id);
  }
  throw new FleetError("config-invalid", `${file} does not know "${name}"`, { hint: "give a number, or add the name" });
}
