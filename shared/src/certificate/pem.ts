import { FleetError } from "../errors.ts";

/** PEM (RFC 7468) of DER bytes: lines of 64 characters, one line feed at the end. */
export function pemEncode(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.map((line) => `${line}\n`).join("")}-----END ${label}-----\n`;
}

/**
 * DER of every block with this label, in order; text around the blocks and blocks with other labels are passed over.
 * Throws `der-invalid` when a block of this label has no end or is not base64.
 */
export function pemDecode(text: string, label: string): Uint8Array[] {
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Uint8Array[] = [];
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at)) {
    const start = at + begin.length;
    const stop = text.indexOf(end, start);
    if (stop < 0) throw new FleetError("der-invalid", `PEM: the ${label} block at character ${at} has no end`);
    const base64 = text.slice(start, stop).replace(/\s+/g, "");
    if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
      throw new FleetError("der-invalid", `PEM: the ${label} block at character ${at} is not base64`);
    blocks.push(new Uint8Array(Buffer.from(base64, "base64")));
    at = stop + end.length;
  }
  return blocks;
}
