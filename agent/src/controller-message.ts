import {
  type CommandKey,
  commandKeyUseOf,
  decodeEnvelope,
  decodeMessage,
  isSignedBy,
  type Message,
  payloadTypes,
  signerHints,
  type TrustBundle,
} from "@fleetcert/proto";
import { type Duration, FleetError } from "@fleetcert/shared";

/** Whose message is expected: `recipient` is the device's id, or `fleet` for what everybody reads. */
export interface ControllerMessageExpectation {
  readonly bundle: TrustBundle;
  readonly recipient: string;
}

/**
 * Opens an envelope of the controller: decodes it, checks that it is meant for this recipient of this fleet, and that a command
 * key of the bundle signed it which may sign this kind and was valid when it did. Expiry is the caller's to judge.
 *
 * Throws `message-invalid`, `message-too-large`, `version-unsupported`, `signature-invalid` or `signer-not-allowed`.
 */
export function openControllerMessage(bytes: Uint8Array, { bundle, recipient }: ControllerMessageExpectation): Message {
  const envelope = decodeEnvelope(bytes);
  const message = readAddressed(bytes, { fleet: bundle.fleet, recipient });
  const hints = signerHints(envelope);
  const named = bundle.commandKeys.filter(({ keyId }) => hints.includes(keyId));
  const signer = named.find(({ spki }) => isSignedBy(envelope, spki));
  if (signer === undefined) {
    throw new FleetError(
      "signature-invalid",
      `no command key of trust bundle ${bundle.version} signed the ${message.kind}`,
    );
  }
  requireMaySign(signer, message);
  return message;
}

/** Decodes a message of the controller and checks whom it is for; its signature is not looked at. */
export function readAddressed(
  bytes: Uint8Array,
  { fleet, recipient }: { readonly fleet: string; readonly recipient: string },
): Message {
  const envelope = decodeEnvelope(bytes);
  if (envelope.payloadType !== payloadTypes.message) throw invalid("the envelope holds no message");
  const message = decodeMessage(envelope.payload);
  const direction = recipient === "fleet" ? "controller-to-fleet" : "controller-to-device";
  if (message.fleet !== fleet) throw invalid(`the message is of fleet ${message.fleet}`);
  if (message.sender !== "controller") throw invalid(`the message is from ${message.sender}`);
  if (message.direction !== direction) throw invalid(`the message goes ${message.direction}`);
  if (message.recipient !== recipient) throw invalid(`the message is for ${message.recipient}`);
  return message;
}

function requireMaySign(key: CommandKey, { kind, sentAt, body }: Message): void {
  const isUse = key.use === commandKeyUseOf(kind);
  const isIssuer = body.type !== "head" || key.issuers.includes(body.issuer);
  if (!isUse || !isIssuer)
    throw new FleetError("signer-not-allowed", `command key ${key.keyId} may not sign this ${kind}`);
  if (sentAt < key.notBefore - clockAllowance || sentAt > key.notAfter) {
    throw new FleetError("signer-not-allowed", `command key ${key.keyId} was not valid when it signed the ${kind}`);
  }
}

function invalid(message: string): FleetError {
  return new FleetError("message-invalid", message);
}

/** Between the clocks of controllers that share the work. */
const clockAllowance: Duration = 3_600_000;
