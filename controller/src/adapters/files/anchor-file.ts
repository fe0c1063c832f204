import { readFile } from "node:fs/promises";
import { FleetError } from "@fleetcert/shared";
import type { CounterAnchor } from "../../ports.ts";
import { writeDurably } from "./write-durably.ts";

/**
 * Opens the counters that live outside of the database, a small JSON file written durably at every raise. An absent file
 * is refused with `data-directory`, so that a lost one is not taken for a new controller's; `create` makes the first.
 */
export async function openAnchorFile(
  path: string,
  options: { readonly create?: boolean } = {},
): Promise<CounterAnchor> {
  if (options.create === true) await writeDurably(path, "{}\n");
  const counters = new Map(Object.entries(await readCounters(path)));
  let writing: Promise<void> = Promise.resolve();
  return {
    read: async (counter) => counters.get(counter) ?? 0,
    async raise(counter, value) {
      if (value <= (counters.get(counter) ?? 0)) return;
      const turn = writing.then(async () => {
        if (value <= (counters.get(counter) ?? 0)) return;
        const next = new Map(counters).set(counter, value);
        await writeDurably(path, `${JSON.stringify(Object.fromEntries(next), undefined, 2)}\n`);
        counters.set(counter, value);
      });
      writing = turn.catch(() => undefined);
      await turn;
    },
  };
}

async function readCounters(path: string): Promise<Record<string, number>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new FleetError("data-directory", `${path} cannot be read: ${(cause as Error).message}`, {
      hint: "it keeps counters from going back; restore it from the newest backup, newer than the database's is right",
      cause,
    });
  }
  const counters = parse(text);
  const isSound = counters !== undefined && Object.values(counters).every((value) => Number.isSafeInteger(value));
  if (!isSound) {
    throw new FleetError("store-corrupt", `${path} is damaged`, { hint: "restore it from the newest backup" });
  }
  return counters;
}

function parse(text: string): Record<string, number> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, number>)
      : undefined;
  } catch {
    return undefined;
  }
}
