import { randomBytes } from "node:crypto";
import { FleetError, type KeyAlgorithm, spkiSha256 } from "@fleetcert/shared";
import { requireLabel } from "../key-label.ts";
import { ck } from "./constants.ts";
import type { Handle } from "./cryptoki.ts";
import { privateTemplate, publicTemplate, requireProtected } from "./key-attributes.ts";
import { findKeyKind, type KeyKind } from "./key-kind.ts";
import { findById, readSpki, type Session } from "./key-objects.ts";
import type { KeyFacts } from "./pkcs11-key.ts";
import type { Token } from "./token.ts";
import { asking, tokenError } from "./token-error.ts";

/**
 * Makes a key pair inside the token and gives it its CKA_ID, which follows from the public key.
 *
 * Until then it has a random id, so that a power cut in between leaves a key that `list` shows and `destroy` removes.
 * A key that is not protected as asked is destroyed: `key-attributes-wrong`.
 */
export async function generateKey(
  token: Token,
  { algorithm, label }: { algorithm: KeyAlgorithm; label: string },
): Promise<KeyFacts> {
  const kind = findKeyKind(algorithm);
  if (kind === undefined) throw new FleetError("token-error", `PKCS#11 tokens make no ${algorithm} keys here`);
  const standIn = { kind, label: requireLabel(label), id: randomBytes(16) };
  await token.run(async (session) => {
    const templates = [publicTemplate(standIn), privateTemplate(standIn)] as const;
    try {
      await token.cryptoki.C_GenerateKeyPairAsync(session, kind.generation, ...templates);
    } catch (error) {
      throw tokenError(`making a ${algorithm} key on token "${token.facts.label}"`, error);
    }
  });
  return token.runSync((session) => finish({ cryptoki: token.cryptoki, session }, standIn));
}

/** Destroys every private and public key object with a CKA_ID; the private one last, because `list` looks for that. */
export function destroyById(session: Session, id: Uint8Array): void {
  for (const objectClass of [ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY]) {
    for (const object of findById(session, objectClass, id)) {
      asking("C_DestroyObject", () => session.cryptoki.C_DestroyObject(session.session, object));
    }
  }
}

function finish(session: Session, { kind, label, id }: { kind: KeyKind; label: string; id: Buffer }): KeyFacts {
  const [publicKey] = findById(session, ck.CKO_PUBLIC_KEY, id);
  const [privateKey] = findById(session, ck.CKO_PRIVATE_KEY, id);
  if (publicKey === undefined || privateKey === undefined) {
    throw new FleetError("token-error", "the token does not show the key it has just made");
  }
  try {
    const { spki } = readSpki(session, publicKey);
    requireProtected(session, privateKey);
    const keyId = spkiSha256(spki);
    for (const object of [publicKey, privateKey]) setId(session, object, Buffer.from(keyId, "hex"));
    return { id: keyId, label, spki, kind };
  } catch (error) {
    for (const object of [publicKey, privateKey]) {
      asking("C_DestroyObject", () => session.cryptoki.C_DestroyObject(session.session, object));
    }
    throw error;
  }
}

function setId({ cryptoki, session }: Session, object: Handle, id: Buffer): void {
  asking("setting CKA_ID", () => cryptoki.C_SetAttributeValue(session, object, [{ type: ck.CKA_ID, value: id }]));
}
