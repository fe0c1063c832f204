import { FleetError } from "@fleetcert/shared";
import type { DeviceAttributes } from "../../../records.ts";

/** Registry attributes as columns; tags are a JSON array. */
export type AttributeColumns = Omit<DeviceAttributes, "tags"> & { readonly tags: string };

/** The columns that hold a device's attributes. */
export const attributeColumns = [
  "site",
  "owner",
  "environment",
  "criticality",
  "tags",
  "connectivity",
  "connectivityBy",
] as const;

/** Attributes as they are stored. */
export function toAttributeColumns({ tags, ...rest }: DeviceAttributes): AttributeColumns {
  return { ...rest, tags: JSON.stringify(tags) };
}

/** Attributes from a row that holds their columns; throws `store-corrupt` when the tags are damaged. */
export function fromAttributeColumns(row: AttributeColumns): DeviceAttributes {
  const { site, owner, environment, criticality, connectivity, connectivityBy } = row;
  return { site, owner, environment, criticality, tags: parseTexts(row.tags), connectivity, connectivityBy };
}

/** A JSON array of texts as stored; throws `store-corrupt` for anything else. */
export function parseTexts(json: string): string[] {
  try {
    const value: unknown = JSON.parse(json);
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  } catch {
    // The one error below covers it.
  }
  throw new FleetError("store-corrupt", `a list in the store is damaged: ${JSON.stringify(json.slice(0, 80))}`);
}
