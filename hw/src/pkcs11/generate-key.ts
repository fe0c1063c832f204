import { randomBytes } from "node:crypto";
import { type Duration, FleetError, type KeyAlgorithm, spkiSha256 } from "@fleetcert/shared";
import { requireLabel } from "../key-label.ts";
import { ck } from "./constants.ts";
import type { Handle } from "./cryptoki.ts";
import { type NewKey, privateTemplate, publicTemplate, requireProtected } from "./key-attributes.ts";
import { findKeyKind, type KeyKind, supportedAlgorithms } from "./key-kind.ts";
import { findAttribute, findById, findObjects, labelOf, readSpki, type Session } from "./key-objects.ts";
import { quirksOf } from "./module-quirks.ts";
import type { KeyFacts } from "./pkcs11-key.ts";
import type { Token } from "./token.ts";
import { asking, tokenError } from "./token-error.ts";

/**
 * Makes a key pair inside the token and gives it its CKA_ID, which follows from the public key.
 *
 * Until then it has a random id, so that a power cut in between leaves a key that `list` shows and `destroy` removes. What
 * fails in any other way is removed again as far as the token lets us. A key that is not protected as asked is destroyed:
 * `key-attributes-wrong`. A token that makes no such keys is told apart before it is asked: `token-error`.
 */
export async function generateKey(token: Token, { algorithm, label }: KeyRequest): Promise<KeyFacts> {
  const standIn = { kind: requireKind(token, algorithm), label: requireLabel(label), id: randomBytes(16) };
  const { cryptoki } = token;
  try {
    const options = { key: standIn.id.toString("hex"), patience: generationPatience };
    await token.run((session) => makePair(token, session, standIn), options);
    const made = token.runSync((session) => readNew({ cryptoki, session }, standIn));
    token.runSync((session) => giveId({ cryptoki, session }, { from: standIn.id, to: made.id }));
    return made;
  } catch (error) {
    removeIfPossible(token, standIn.id);
    throw error;
  }
}

interface KeyRequest {
  readonly algorithm: KeyAlgorithm;
  readonly label: string;
}

/**
 * Destroys every private and public key object with a CKA_ID; the private one last, because `list` looks for that. A public
 * half that a power cut left under another id goes with the private one of its label.
 */
export function destroyById(session: Session, id: Uint8Array): void {
  const labels = findById(session, ck.CKO_PRIVATE_KEY, id).map((object) => labelOf(session, object));
  for (const object of labels.flatMap((label) => strayPublicHalves(session, label))) destroyObject(session, object);
  for (const objectClass of [ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY]) {
    for (const object of findById(session, objectClass, id)) destroyObject(session, object);
  }
}

function strayPublicHalves(session: Session, label: string): Handle[] {
  const ofLabel = [
    { type: ck.CKA_CLASS, value: ck.CKO_PUBLIC_KEY },
    { type: ck.CKA_LABEL, value: Buffer.from(label, "utf8") },
  ];
  return findObjects(session, ofLabel).filter((object) => {
    const id = findAttribute(session, object, ck.CKA_ID);
    return id !== undefined && findById(session, ck.CKO_PRIVATE_KEY, id).length === 0;
  });
}

function requireKind(token: Token, algorithm: KeyAlgorithm): KeyKind {
  const { facts, cryptoki } = token;
  const able = supportedAlgorithms(cryptoki, facts.slot);
  const kind = findKeyKind(algorithm);
  if (kind === undefined || !able.includes(algorithm)) {
    throw new FleetError("token-error", `token "${facts.label}" (${facts.model}) makes no ${algorithm} keys`, {
      hint:
        able.length === 0
          ? "it makes no keys at all: use another token, or a module that makes keys"
          : `it makes ${able.join(", ")}: name one of them in the profile's keyAlgorithms, or use another token`,
    });
  }
  if (!facts.isWritable) {
    throw new FleetError("token-error", `token "${facts.label}" is write-protected, so it keeps no new keys`, {
      hint: "make it writable with its maker's tool, or use another token",
    });
  }
  return kind;
}

/** After a lost session the same is asked again, and whether the token had made the pair is not known: one is enough. */
async function makePair(token: Token, session: Handle, standIn: NewKey): Promise<void> {
  const quirks = quirksOf(token.cryptoki);
  const templates = [publicTemplate(standIn, quirks), privateTemplate(standIn, quirks)] as const;
  destroyById({ cryptoki: token.cryptoki, session }, standIn.id);
  try {
    if (quirks.makesKeysAlone) token.cryptoki.C_GenerateKeyPair(session, standIn.kind.generation, ...templates);
    else await token.cryptoki.C_GenerateKeyPairAsync(session, standIn.kind.generation, ...templates);
  } catch (error) {
    throw tokenError(`making a ${standIn.kind.algorithm} key on token "${token.facts.label}"`, error);
  }
}

function readNew(session: Session, { kind, label, id }: NewKey): KeyFacts {
  const [publicKey] = findById(session, ck.CKO_PUBLIC_KEY, id);
  const [privateKey] = findById(session, ck.CKO_PRIVATE_KEY, id);
  if (publicKey === undefined || privateKey === undefined) {
    throw new FleetError("token-error", "the token does not show the key it has just made", {
      hint: "it keeps no keys that are made on it (CKA_TOKEN); use another token",
    });
  }
  const { spki } = readSpki(session, publicKey);
  requireProtected(session, privateKey);
  return { id: spkiSha256(spki), label, spki, kind };
}

/** May be asked again after it was cut short. */
function giveId(session: Session, { from, to }: { readonly from: Buffer; readonly to: string }): void {
  const id = Buffer.from(to, "hex");
  for (const objectClass of [ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY]) {
    for (const object of findById(session, objectClass, from)) setId(session, object, id);
  }
}

function removeIfPossible(token: Token, id: Uint8Array): void {
  try {
    token.runSync((session) => destroyById({ cryptoki: token.cryptoki, session }, id));
  } catch {
    // The token is gone or will not: `list` shows what is left, and whoever made the key collects it.
  }
}

function destroyObject({ cryptoki, session }: Session, object: Handle): void {
  asking("C_DestroyObject", () => cryptoki.C_DestroyObject(session, object));
}

function setId({ cryptoki, session }: Session, object: Handle, id: Buffer): void {
  asking("setting CKA_ID", () => cryptoki.C_SetAttributeValue(session, object, [{ type: ck.CKA_ID, value: id }]));
}

/** RSA on a smart card is a matter of minutes. */
const generationPatience: Duration = 600_000;
