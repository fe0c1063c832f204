import { preAuthenticationEncoding } from "@fleetcert/proto";
import { FleetError, type Instant, type Signer, spkiSha256, verifySignature } from "@fleetcert/shared";

/** A signed word on how far the audit chain went: whoever keeps it outside the host can tell a shortened or new chain. */
export interface AuditCheckpoint {
  /** Of the last entry covered. */
  readonly sequence: number;
  /** Its hash, which covers all before it. */
  readonly hash: string;
  readonly at: Instant;
}

/**
 * A checkpoint as one line of text: a DSSE envelope in its JSON form
 * (https://github.com/secure-systems-lab/dsse/blob/master/envelope.md) around a JSON object, verifiable by any DSSE tool.
 */
export async function encodeCheckpoint({ sequence, hash, at }: AuditCheckpoint, signer: Signer): Promise<string> {
  const payload = Buffer.from(JSON.stringify({ sequence, hash, at }), "utf8");
  const signature = await signer.sign(preAuthenticationEncoding(payloadType, payload));
  return JSON.stringify({
    payloadType,
    payload: payload.toString("base64"),
    signatures: [{ keyid: spkiSha256(signer.spki), sig: Buffer.from(signature).toString("base64") }],
  });
}

/**
 * The checkpoint in a line, once one of its signatures verifies under the key (DER SPKI). Throws `message-too-large`,
 * `message-invalid` for what is no checkpoint, and `signature-invalid`.
 */
export function verifyCheckpoint(line: string, spki: Uint8Array): AuditCheckpoint {
  if (line.length > maxLength) {
    throw new FleetError("message-too-large", `audit checkpoint has ${line.length} characters, limit ${maxLength}`);
  }
  const envelope = asObject(parseJson(line));
  if (envelope["payloadType"] !== payloadType) throw malformed();
  const payload = fromBase64(envelope["payload"]);
  const message = preAuthenticationEncoding(payloadType, payload);
  const signatures = Array.isArray(envelope["signatures"]) ? envelope["signatures"].slice(0, maxSignatures) : [];
  const isSigned = signatures.some((one: unknown) =>
    verifySignature({ spki, message, signature: fromBase64(asObject(one)["sig"]) }),
  );
  if (!isSigned) throw new FleetError("signature-invalid", "the audit checkpoint is not signed by this key");
  return toCheckpoint(asObject(parseJson(Buffer.from(payload).toString("utf8"))));
}

function toCheckpoint({ sequence, hash, at }: Record<string, unknown>): AuditCheckpoint {
  const isValid =
    Number.isSafeInteger(sequence) &&
    Number(sequence) >= 0 &&
    Number.isSafeInteger(at) &&
    typeof hash === "string" &&
    /^[0-9a-f]{64}$/.test(hash);
  if (!isValid) throw malformed();
  return { sequence: Number(sequence), hash: String(hash), at: Number(at) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed(cause);
  }
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw malformed();
  return value as Record<string, unknown>;
}

function fromBase64(value: unknown): Uint8Array {
  if (typeof value !== "string") throw malformed();
  return new Uint8Array(Buffer.from(value, "base64"));
}

function malformed(cause?: unknown): FleetError {
  return new FleetError("message-invalid", "the text is not an audit checkpoint", { cause });
}

const payloadType = "application/vnd.fleetcert.audit-checkpoint.v1+json";
const maxLength = 4096;
const maxSignatures = 4;
