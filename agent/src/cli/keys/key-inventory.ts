import { createPublicKey } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  FleetError,
  isFleetError,
  type KeyProviderInfo,
  type KeySummary,
  type OpenKeyProvider,
  type Protection,
} from "@fleetcert/shared";
import { askLocalSocket } from "../../adapters/local-socket.ts";
import type { CliContext } from "../context.ts";
import { socketPath } from "../data-directory.ts";
import { loadConfig } from "../load-config.ts";
import type { StatusView } from "../status-view.ts";

/** One key of the store, and what this agent has to do with it. */
export interface KeyView extends KeySummary {
  /** `identity, current`; empty when no journal refers to it. */
  readonly usedBy: string;
  readonly owner: "this agent" | "another agent" | "other software";
}

/** The key store of a device, open, with what the agent's journal says of its keys. */
export interface Inventory {
  readonly info: KeyProviderInfo;
  readonly keys: readonly KeyView[];
  /** Undefined before the first enrolment. */
  readonly status: StatusView | undefined;
  readonly provider: OpenKeyProvider;
}

/**
 * Opens the key store for as long as `use` takes. Without the journal nothing could be said of what is needed, so it is read
 * first: of the running agent, else of its files. Throws what opening the key store throws, `conflict` while another command
 * has the files.
 */
export async function withInventory<T>(
  data: string,
  context: Pick<CliContext, "env" | "clock">,
  use: (inventory: Inventory) => Promise<T>,
  options: { readonly isAttended?: boolean } = {},
): Promise<T> {
  const status = await statusOf(data, context);
  const config = await loadConfig(data, context.env);
  if (status === undefined && config.keys.provider === "software" && !existsSync(join(data, "keys"))) {
    throw new FleetError("not-found", `there are no keys in ${data}`, {
      hint: "fleetcert-agent enrol --controller HOST --claim-file FILE, or name the right directory with --data",
    });
  }
  const { openKeys } = await import("../start-agent.ts");
  const provider = await openKeys(config, options);
  try {
    const found = await provider.list("");
    const device = status?.device ?? config.device;
    const keys = found.map((key) => viewOf(key, { status, device })).toSorted((a, b) => (a.label < b.label ? -1 : 1));
    return await use({ info: provider.info, keys, status, provider });
  } finally {
    await provider.close();
  }
}

/** One key, for a person. */
export interface ShownKey extends KeyView {
  readonly protection: Protection;
  /** PEM; undefined when the store does not let the key be opened. */
  readonly publicKey: string | undefined;
  /** Why it cannot be opened; empty otherwise. */
  readonly fault: string;
}

/** One key of the store. Throws `key-not-found`, `conflict` when more than one is meant. */
export function showKey(data: string, context: Pick<CliContext, "env" | "clock">, wanted: string): Promise<ShownKey> {
  return withInventory(data, context, async ({ keys, info, provider }) => {
    const key = requireKey(keys, wanted);
    try {
      const { spki, protection } = await provider.open(key.ref);
      const publicKey = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
      return { ...key, protection, publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(), fault: "" };
    } catch (error) {
      if (!isFleetError(error, "key-attributes-wrong", "key-not-found")) throw error;
      return { ...key, protection: info.protection, publicKey: undefined, fault: error.message };
    }
  });
}

/** The one key somebody means by its id, the beginning of it, its label or reference. Throws `key-not-found`, `conflict`. */
export function requireKey(keys: readonly KeyView[], wanted: string): KeyView {
  const exact = keys.filter(({ id, ref, label }) => [id, ref, label].includes(wanted));
  const [found, second] =
    exact.length > 0 ? exact : keys.filter(({ id }) => wanted.length >= 4 && id.startsWith(wanted));
  if (found === undefined) {
    throw new FleetError("key-not-found", `there is no key "${wanted.slice(0, 200)}"`, {
      hint: "see fleetcert-agent keys list",
    });
  }
  if (second === undefined) return found;
  throw new FleetError("conflict", `more than one key is called "${wanted.slice(0, 200)}"`, {
    hint: "name it by its id",
  });
}

async function statusOf(
  data: string,
  { env, clock }: Pick<CliContext, "env" | "clock">,
): Promise<StatusView | undefined> {
  const answer = await askLocalSocket(socketPath(data), "GET", "/v1/status");
  if (answer !== undefined) return answer as StatusView;
  const { storedStatus } = await import("../stored-state.ts");
  try {
    return await storedStatus(data, env, clock);
  } catch (error) {
    if (isFleetError(error, "not-found")) return undefined;
    throw error;
  }
}

function viewOf(
  key: KeySummary,
  { status, device }: { readonly status: StatusView | undefined; readonly device: string },
): KeyView {
  const uses = (status?.slots ?? []).flatMap(({ slot, keys }) =>
    keys.filter(({ id }) => id === key.id).map(({ role }) => `${slot}, ${role}`),
  );
  return { ...key, usedBy: uses.join("; "), owner: ownerOf(key.label, device) };
}

function ownerOf(label: string, device: string): KeyView["owner"] {
  if (!label.startsWith(ownPrefix)) return "other software";
  return device === "" || label.startsWith(`${ownPrefix}${device}:`) ? "this agent" : "another agent";
}

/** What the labels of agents' keys begin with. */
export const ownPrefix = "fleetcert:";
