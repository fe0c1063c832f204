import { encodeOcspFailure, maxOcspRequestBytes, sha256Hex } from "@fleetcert/shared";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { OcspAnswer } from "../../ocsp/responder.ts";
import { sendSigned } from "./send-signed.ts";

/** What answers a DER request; undefined while there is no responder. */
export type AnswerOcsp = (request: Uint8Array) => Promise<OcspAnswer | undefined>;

/**
 * Serves OCSP over HTTP (RFC 6960 appendix A, RFC 5019 §5): POST with the DER as body, GET with its base64 in the path, the
 * latter with lifetimes for caches.
 */
export function serveOcsp(
  server: FastifyInstance,
  parts: {
    readonly answer: AnswerOcsp;
    readonly now: () => number;
    readonly onInternalError: (error: unknown) => void;
  },
): void {
  const reply = async (
    request: FastifyRequest,
    to: FastifyReply,
    der: Uint8Array | undefined,
  ): Promise<FastifyReply> => {
    const answer = await answered(parts, der);
    const type = "application/ocsp-response";
    const { lifetime } = answer;
    if (lifetime === undefined || request.method !== "GET") {
      return to.type(type).header("cache-control", "no-store").send(Buffer.from(answer.der));
    }
    const file = { bytes: answer.der, type, sha256: sha256Hex(answer.der), ...lifetime, maxAge: maxCacheSeconds };
    return sendSigned(request, to, file, parts.now());
  };
  server.addContentTypeParser(
    "application/ocsp-request",
    { parseAs: "buffer", bodyLimit: maxOcspRequestBytes },
    (_request, body, done) => done(null, body),
  );
  server.post("/ocsp", { bodyLimit: maxOcspRequestBytes }, async (request, to) =>
    reply(request, to, Buffer.isBuffer(request.body) ? new Uint8Array(request.body) : undefined),
  );
  server.get<{ Params: { "*": string } }>("/ocsp/*", async (request, to) =>
    reply(request, to, fromBase64(request.params["*"])),
  );
}

async function answered(
  { answer, onInternalError }: Pick<Parameters<typeof serveOcsp>[1], "answer" | "onInternalError">,
  der: Uint8Array | undefined,
): Promise<OcspAnswer> {
  const failure = (why: Parameters<typeof encodeOcspFailure>[0]): OcspAnswer => ({
    der: encodeOcspFailure(why),
    lifetime: undefined,
  });
  if (der === undefined) return failure("malformedRequest");
  try {
    return (await answer(der)) ?? failure("tryLater");
  } catch (error) {
    onInternalError(error);
    return failure("internalError");
  }
}

/** The framework has taken the percent signs out; some clients leave the padding out, or write two slashes. */
function fromBase64(text: string): Uint8Array | undefined {
  const isBase64 = text.length <= (maxOcspRequestBytes * 4) / 3 + 4 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  return isBase64 ? new Uint8Array(Buffer.from(text, "base64")) : undefined;
}

// An answer is given up within minutes when the status changes; caches may keep it no longer.
const maxCacheSeconds = 300;
