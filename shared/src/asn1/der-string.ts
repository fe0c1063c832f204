import { derInvalid, tags } from "./der-reader.ts";

/**
 * Text of a character string element's content, by its tag; undefined for tags that are no character string.
 * Throws `der-invalid` for bytes the type does not allow and for NUL, which has fooled C programs (CVE-2009-2408).
 */
export function decodeString(tag: number, content: Uint8Array): string | undefined {
  const decode = decoders.get(tag);
  if (decode === undefined) return undefined;
  const text = decode(content);
  if (text.includes("\0")) throw derInvalid("a name contains NUL");
  return text;
}

/** Text of an ASCII-only string such as IA5String. */
export function decodeAscii(content: Uint8Array): string {
  if (!isAscii(content)) throw derInvalid("a string has bytes above ASCII");
  return decodeLatin1(content);
}

function isAscii(content: Uint8Array): boolean {
  for (let index = 0; index < content.length; index++) if ((content[index] as number) >= 0x80) return false;
  return true;
}

const decodeLatin1 = (content: Uint8Array): string =>
  Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString("latin1");

function decodeUtf8(content: Uint8Array): string {
  if (isAscii(content)) return decodeLatin1(content);
  try {
    return utf8.decode(content);
  } catch (cause) {
    throw derInvalid(`a UTF8String is not UTF-8 (${String(cause)})`);
  }
}

function decodeWide(content: Uint8Array, width: 2 | 4): string {
  if (content.length % width !== 0) throw derInvalid("a wide string is cut off");
  let text = "";
  for (let at = 0; at < content.length; at += width) {
    const point = content.subarray(at, at + width).reduce((value, octet) => value * 256 + octet, 0);
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) throw derInvalid("a wide string holds no character");
    text += String.fromCodePoint(point);
  }
  return text;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const decoders: ReadonlyMap<number, (content: Uint8Array) => string> = new Map([
  [tags.utf8String, decodeUtf8],
  [tags.numericString, decodeAscii],
  [tags.printableString, decodeAscii],
  [tags.ia5String, decodeAscii],
  // Written by old software as Latin-1, whatever T.61 says.
  [tags.teletexString, decodeLatin1],
  [tags.bmpString, (content) => decodeWide(content, 2)],
  [tags.universalString, (content) => decodeWide(content, 4)],
]);
