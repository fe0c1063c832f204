import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "@fleetcert/shared";
import type { DataPaths } from "./data-directory.ts";
import { writeDurably } from "./write-durably.ts";

/** Where the key of a root lives that was made after `init`; paths are within the data directory. */
export interface RootKeyNote {
  /** SPKI SHA-256, hex. */
  readonly id: string;
  readonly ref: string;
  /** As the setting `keys.root` would name it; empty for encrypted files. */
  readonly place: string;
  /** Of the encrypted files, and of their passphrase when it was made at random; empty for a token or TPM. */
  readonly directory: string;
  readonly passphraseFile: string;
}

/** Notes of every root key that `ca rollover` has made; none before it ever did. Throws `data-directory`. */
export async function readRootKeyNotes(paths: Pick<DataPaths, "ca">): Promise<RootKeyNote[]> {
  const path = fileOf(paths);
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return "[]";
    throw new FleetError("data-directory", `${path} cannot be read: ${cause.message}`, { cause });
  });
  try {
    return (JSON.parse(text) as unknown[]).map(noteOf);
  } catch (cause) {
    throw new FleetError("data-directory", `${path} holds no notes of root keys`, {
      cause,
      hint: "put the file back from the last backup of the data directory",
    });
  }
}

/** Adds a note; durable when it resolves. */
export async function addRootKeyNote(paths: Pick<DataPaths, "ca">, note: RootKeyNote): Promise<void> {
  const notes = [...(await readRootKeyNotes(paths)).filter(({ id }) => id !== note.id), note];
  await writeDurably(fileOf(paths), `${JSON.stringify(notes, undefined, 2)}\n`);
}

function noteOf(value: unknown): RootKeyNote {
  const { id, ref, place, directory, passphraseFile } = value as Record<keyof RootKeyNote, unknown>;
  const texts = [id, ref, place, directory, passphraseFile].filter((one) => typeof one === "string");
  if (texts.length !== 5) throw new TypeError("a note of a root key lacks a text");
  const [i = "", r = "", p = "", d = "", f = ""] = texts;
  return { id: i, ref: r, place: p, directory: d, passphraseFile: f };
}

const fileOf = ({ ca }: Pick<DataPaths, "ca">): string => join(ca, "root-keys.json");
