import { FleetError } from "@fleetcert/shared";

/** The attributes of an RFC 7512 URI that Fleetcert understands. A PIN is not one of them: it never stands in a URI. */
export interface Pkcs11Uri {
  readonly token?: string;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly serial?: string;
  readonly slotId?: number;
  readonly slotDescription?: string;
  readonly slotManufacturer?: string;
  readonly libraryManufacturer?: string;
  readonly libraryDescription?: string;
  readonly libraryVersion?: string;
  /** CKA_LABEL. */
  readonly object?: string;
  readonly type?: (typeof objectTypes)[number];
  /** CKA_ID. */
  readonly id?: Uint8Array;
  readonly modulePath?: string;
  readonly moduleName?: string;
  readonly pinSource?: string;
}

/**
 * Reads a `pkcs11:` URI (RFC 7512 §2.3), strictly: unknown, repeated and empty-named attributes, wrong escapes, text that
 * is not UTF-8, raw characters the grammar forbids and `pin-value` are all refused.
 *
 * Throws `request-invalid`; the message never repeats the URI, which could hold a PIN.
 */
export function parsePkcs11Uri(text: string): Pkcs11Uri {
  if (text.length > maxLength) throw invalid(`it has ${text.length} characters, at most ${maxLength} are allowed`);
  if (!text.toLowerCase().startsWith(scheme)) throw invalid('it does not start with "pkcs11:"');
  const [path = "", query, ...more] = text.slice(scheme.length).split("?");
  if (more.length > 0 || query === "") throw invalid("it has an empty or a second query");
  const found = new Map<keyof Pkcs11Uri, string | number | Uint8Array>();
  for (const item of path === "" ? [] : path.split(";")) readAttribute(item, { part: "path", found });
  for (const item of query === undefined ? [] : query.split("&")) readAttribute(item, { part: "query", found });
  return Object.fromEntries(found) as Pkcs11Uri;
}

/**
 * Writes a `pkcs11:` URI: attributes in the order of RFC 7512's grammar, `id` escaped octet by octet, everything else
 * escaped where it is not an unreserved character of RFC 3986 (a `/` of a query attribute stays readable).
 */
export function formatPkcs11Uri(uri: Pkcs11Uri): string {
  const written = (part: "path" | "query"): string[] =>
    attributes.flatMap(({ name, field, in: where }) => {
      const value = uri[field];
      return where !== part || value === undefined ? [] : [`${name}=${escapeValue(value, part)}`];
    });
  const query = written("query").join("&");
  return `${scheme}${written("path").join(";")}${query === "" ? "" : `?${query}`}`;
}

function readAttribute(
  item: string,
  { part, found }: { part: "path" | "query"; found: Map<keyof Pkcs11Uri, string | number | Uint8Array> },
): void {
  const equals = item.indexOf("=");
  const name = item.slice(0, Math.max(equals, 0));
  if (name === "pin-value") throw invalid("a PIN does not belong in a URI");
  const attribute = attributes.find((known) => known.name === name && known.in === part);
  if (attribute === undefined)
    throw invalid(`its ${part} has an attribute that is unknown or stands in the wrong part`);
  if (found.has(attribute.field)) throw invalid(`${name} is given twice`);
  const raw = item.slice(equals + 1);
  if (!allowed[part].test(raw)) throw invalid(`${name} has a wrong escape or a character that must be escaped`);
  found.set(attribute.field, readValue(attribute, unescapeBytes(raw)));
}

function readValue({ name, field }: Attribute, bytes: Uint8Array): string | number | Uint8Array {
  if (field === "id") return bytes;
  const text = decodeUtf8(name, bytes);
  if (field === "type" && !(objectTypes as readonly string[]).includes(text))
    throw invalid("type names no kind of object");
  if (field !== "slotId") return text;
  if (!/^(0|[1-9][0-9]{0,14})$/.test(text)) throw invalid("slot-id is not a number");
  return Number(text);
}

function decodeUtf8(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new FleetError("request-invalid", `the PKCS#11 URI is malformed: ${name} is not UTF-8`, { cause });
  }
}

function unescapeBytes(raw: string): Uint8Array {
  const octets: number[] = [];
  for (let at = 0; at < raw.length; at++) {
    if (raw[at] === "%") {
      octets.push(Number.parseInt(raw.slice(at + 1, at + 3), 16));
      at += 2;
    } else {
      octets.push(raw.charCodeAt(at));
    }
  }
  return Uint8Array.from(octets);
}

function escapeValue(value: string | number | Uint8Array, part: "path" | "query"): string {
  const keep = value instanceof Uint8Array ? /[^\s\S]/ : part === "query" ? /[A-Za-z0-9\-._~/]/ : /[A-Za-z0-9\-._~]/;
  const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(String(value));
  return Array.from(bytes, (octet) => {
    const character = String.fromCharCode(octet);
    return keep.test(character) ? character : `%${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

const invalid = (why: string): FleetError =>
  new FleetError("request-invalid", `the PKCS#11 URI is malformed: ${why}`, {
    hint: "it looks like pkcs11:token=NAME;id=%01%02;type=private?module-path=/usr/lib/softhsm/libsofthsm2.so",
  });

interface Attribute {
  readonly name: string;
  readonly field: keyof Pkcs11Uri;
  readonly in: "path" | "query";
}

const objectTypes = ["public", "private", "cert", "secret-key", "data"] as const;

// RFC 7512 §2.3: pk11-pattr and pk11-qattr.
const attributes: readonly Attribute[] = [
  { name: "token", field: "token", in: "path" },
  { name: "manufacturer", field: "manufacturer", in: "path" },
  { name: "serial", field: "serial", in: "path" },
  { name: "model", field: "model", in: "path" },
  { name: "library-manufacturer", field: "libraryManufacturer", in: "path" },
  { name: "library-version", field: "libraryVersion", in: "path" },
  { name: "library-description", field: "libraryDescription", in: "path" },
  { name: "id", field: "id", in: "path" },
  { name: "object", field: "object", in: "path" },
  { name: "type", field: "type", in: "path" },
  { name: "slot-manufacturer", field: "slotManufacturer", in: "path" },
  { name: "slot-description", field: "slotDescription", in: "path" },
  { name: "slot-id", field: "slotId", in: "path" },
  { name: "pin-source", field: "pinSource", in: "query" },
  { name: "module-name", field: "moduleName", in: "query" },
  { name: "module-path", field: "modulePath", in: "query" },
];

// RFC 7512 §2.3: pk11-pchar and pk11-qchar.
const allowed = {
  path: /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})*$/,
  query: /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=/?|]|%[0-9A-Fa-f]{2})*$/,
};

const scheme = "pkcs11:";
const maxLength = 4096;
