/** Where a key belongs; its label in the key provider says so. */
export interface KeyPlace {
  readonly device: string;
  readonly slot: string;
  readonly generation: number;
}

/** Label of the key of one generation: `fleetcert:<device>:<slot>:<generation>`. */
export function formatKeyLabel({ device, slot, generation }: KeyPlace): string {
  return `${keyLabelPrefix({ device, slot })}${generation}`;
}

/** What the labels of all keys of a slot begin with. */
export function keyLabelPrefix({ device, slot }: { readonly device: string; readonly slot: string }): string {
  return `${deviceLabelPrefix(device)}${slot}:`;
}

/** What the labels of all keys of a device begin with. */
export function deviceLabelPrefix(device: string): string {
  return `fleetcert:${device}:`;
}

/** The generation a label names; undefined for any text that is not a label of the slot. */
export function generationOfLabel(
  label: string,
  place: { readonly device: string; readonly slot: string },
): number | undefined {
  const prefix = keyLabelPrefix(place);
  const rest = label.startsWith(prefix) ? label.slice(prefix.length) : "";
  return /^[1-9][0-9]{0,9}$/.test(rest) ? Number(rest) : undefined;
}
