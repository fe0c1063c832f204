import type { FastifyReply, FastifyRequest } from "fastify";

/** Something signed that anybody may fetch and any cache may keep for a while. */
export interface SignedFile {
  readonly bytes: Uint8Array;
  readonly type: string;
  /** Changes with every octet: the entity tag. */
  readonly sha256: string;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Longest a cache may keep it without asking again, seconds. */
  readonly maxAge: number;
}

/**
 * Answers with a signed file: validators and lifetimes for caches, 304 for what the asker has already, one range of octets for
 * a download that was cut off (RFC 9110 §13, §14). Several ranges at once get the whole, which is always allowed.
 */
export function sendSigned(request: FastifyRequest, reply: FastifyReply, file: SignedFile, now: number): FastifyReply {
  const tag = `"${file.sha256}"`;
  const fresh = Math.max(0, Math.min(file.maxAge, Math.floor((file.nextUpdate - now) / 1000)));
  reply.headers({
    etag: tag,
    "last-modified": new Date(file.thisUpdate).toUTCString(),
    expires: new Date(file.nextUpdate).toUTCString(),
    "cache-control": `public, max-age=${fresh}, must-revalidate`,
    "accept-ranges": "bytes",
  });
  if (isUnchanged(request.headers, tag, file.thisUpdate)) return reply.code(304).send();
  const { length } = file.bytes;
  const range = isSameFile(request.headers["if-range"], tag) ? rangeIn(request.headers.range, length) : undefined;
  reply.type(file.type);
  if (range === undefined) return reply.send(Buffer.from(file.bytes));
  if (range === "unsatisfiable") return reply.code(416).header("content-range", `bytes */${length}`).send("");
  const { first, last } = range;
  reply.code(206).header("content-range", `bytes ${first}-${last}/${length}`);
  return reply.send(Buffer.from(file.bytes.subarray(first, last + 1)));
}

/** RFC 9110 §13.1.3: If-Modified-Since is ignored when If-None-Match is there. */
function isUnchanged(headers: FastifyRequest["headers"], tag: string, modified: number): boolean {
  const tags = headers["if-none-match"];
  if (tags !== undefined) return tags === "*" || tags.split(",").some((one) => one.trim().replace(/^W\//, "") === tag);
  const since = Date.parse(headers["if-modified-since"] ?? "");
  return !Number.isNaN(since) && Math.floor(modified / 1000) * 1000 <= since;
}

/** RFC 9110 §13.1.5: parts of another version must not be put together; a date is no strong validator here. */
const isSameFile = (ifRange: string | string[] | undefined, tag: string): boolean =>
  ifRange === undefined || ifRange === tag;

/** The one range asked for, both ends inclusive; undefined when none is, or none that is understood. */
function rangeIn(
  header: string | undefined,
  length: number,
): { readonly first: number; readonly last: number } | "unsatisfiable" | undefined {
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (from === "" && to === "") return undefined;
  const first = from === "" ? Math.max(0, length - Number(to)) : Number(from);
  const last = from === "" || to === "" ? length - 1 : Math.min(Number(to), length - 1);
  if (from !== "" && to !== "" && Number(to) < Number(from)) return undefined;
  return first < length && first <= last ? { first, last } : "unsatisfiable";
}
