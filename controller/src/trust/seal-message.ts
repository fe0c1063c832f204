import { commandKeyUseOf, encodeMessage, kindOf, payloadTypes, signEnvelope } from "@fleetcert/proto";
import type { Instant } from "@fleetcert/shared";
import type { CommandSigners, MessageSealer, Surroundings } from "../ports.ts";

/**
 * Puts a body into a signed message of the controller; the command key follows from the kind. Throws `clock-leapt`: what
 * is signed at a wrong time would raise the time floor of devices for good.
 */
export async function sealMessage(
  parts: {
    readonly trust: CommandSigners;
    readonly fleet: string;
    readonly surroundings: Surroundings;
    readonly believedNow: () => Instant;
  },
  letter: Parameters<MessageSealer["seal"]>[0],
): Promise<{ readonly envelope: Uint8Array; readonly payload: Uint8Array }> {
  const now = parts.believedNow();
  const payload = encodeMessage({
    fleet: parts.fleet,
    direction: letter.recipient === "fleet" ? "controller-to-fleet" : "controller-to-device",
    sender: "controller",
    recipient: letter.recipient,
    messageId: newMessageId(parts.surroundings),
    inReplyTo: letter.inReplyTo,
    sentAt: now,
    expiresAt: now + letter.validFor,
    sequence: undefined,
    traceparent: undefined,
    body: letter.body,
  });
  const { body } = letter;
  const issuer = body.type === "head" ? body.issuer : undefined;
  const signer = parts.trust.signerFor(commandKeyUseOf(kindOf(body.type)), now, issuer);
  return { envelope: await signEnvelope(payloadTypes.message, payload, signer), payload };
}

/** UUIDv7 (RFC 9562 §5.7) as 32 hex digits: 48 bits of time, then randomness. */
function newMessageId({ clock, random }: Surroundings): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes.writeUIntBE(Math.max(0, clock.now()) % 2 ** 48, 0, 6);
  bytes[6] = 0x70 | ((bytes[6] as number) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] as number) & 0x3f);
  return bytes.toString("hex");
}
