import { randomBytes } from "node:crypto";
import { deriveKey, shareSeed } from "@fleetcert/shared";
import { createPrimary, flushedOnFailure, whileLoaded } from "./commands/objects.ts";
import { startSession } from "./commands/sessions.ts";
import { nodeCredentialCrypto } from "./credential-crypto.ts";
import { HmacSession, nonceBytes, type SessionUse } from "./hmac-session.ts";
import { storageRootTemplate } from "./templates.ts";
import type { TpmConnection } from "./tpm-connection.ts";
import { nullHierarchy } from "./tpm-object.ts";

/**
 * Runs one command in an HMAC session, so that secrets do not cross the bus in the clear: the session's key comes from a
 * salt that is encrypted to a key of the null hierarchy, as the Linux kernel does it. That stops who listens; who can
 * change what is on the bus could put a key of his own in its place. The session is flushed when the command fails.
 */
export function inSession<T>(tpm: TpmConnection, use: SessionUse, run: (session: HmacSession) => T): T {
  const session = whileLoaded(
    tpm,
    createPrimary(tpm, { hierarchy: nullHierarchy, template: storageRootTemplate }),
    (key) => {
      const { seed, encrypted } = shareSeed(nodeCredentialCrypto, key.publicArea, "SECRET");
      const nonce = randomBytes(nonceBytes);
      const { handle, nonceTpm } = startSession(tpm, { kind: "hmac", hash: "sha256", nonce, salt: { key, encrypted } });
      const sessionKey = deriveKey(nodeCredentialCrypto, seed, {
        hash: "sha256",
        label: "ATH",
        contextU: nonceTpm,
        contextV: nonce,
        bits: 256,
      });
      return new HmacSession({ handle, nonceTpm, sessionKey }, use);
    },
  );
  // A session ends with a command that succeeds; a failed one leaves it in its slot.
  return flushedOnFailure(tpm, session.handle, () => run(session));
}
