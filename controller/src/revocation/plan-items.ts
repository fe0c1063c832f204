import type { Selected } from "./selection.ts";

/** Items of a plan: devices first, then single certificates. */
export function itemsOf({ devices, certificates }: Selected): string[] {
  return [...devices.map(({ id }) => `device:${id}`), ...certificates.map(({ serial }) => `serial:${serial}`)];
}

/** The devices and serials that items name. */
export function readItems(items: readonly string[]): { readonly devices: string[]; readonly serials: string[] } {
  const of = (prefix: string): string[] =>
    items.filter((item) => item.startsWith(prefix)).map((item) => item.slice(prefix.length));
  return { devices: of("device:"), serials: of("serial:") };
}
