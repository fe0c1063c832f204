import { FleetError } from "@fleetcert/shared";
import { decodeBody, encodeBody } from "./bodies.ts";
import { fleetcert } from "./generated/v1.js";
import { type Body, wireVersion } from "./message.ts";

/** Encodes a body alone, to be kept until it is sent in a message of its own; carries the wire version. */
export function encodeBodyAtRest(body: Body): Uint8Array {
  return fleetcert.v1.Message.encode({ version: wireVersion, ...encodeBody(body) }).finish();
}

/** Reads what {@link encodeBodyAtRest} wrote. Throws `message-invalid`, or `version-unsupported` as `decodeMessage` does. */
export function decodeBodyAtRest(bytes: Uint8Array): Body {
  let wire: fleetcert.v1.Message;
  try {
    wire = fleetcert.v1.Message.decode(bytes) as unknown as fleetcert.v1.Message;
  } catch (cause) {
    throw new FleetError("message-invalid", "the bytes are not a body at rest", { cause });
  }
  if (wire.version !== wireVersion) {
    throw new FleetError("version-unsupported", `body has version ${wire.version}, this side knows ${wireVersion}`);
  }
  return decodeBody(wire);
}
