import { FleetError } from "@fleetcert/shared";
import { ck } from "./constants.ts";
import type { Handle, Template } from "./cryptoki.ts";
import type { KeyKind } from "./key-kind.ts";
import { findAttribute, type Session } from "./key-objects.ts";
import { type ModuleQuirks, quirksOf } from "./module-quirks.ts";

/** What both halves of a new key are given; the id is a stand-in until the public key is known. */
export interface NewKey {
  readonly kind: KeyKind;
  readonly label: string;
  readonly id: Buffer;
}

/** The template of a private key that stays in its token and, where the module can say that, only signs. */
export function privateTemplate({ kind, label, id }: NewKey, { leavesUsesOpen }: ModuleQuirks): Template {
  return [
    { type: ck.CKA_CLASS, value: ck.CKO_PRIVATE_KEY },
    { type: ck.CKA_KEY_TYPE, value: kind.keyType },
    { type: ck.CKA_LABEL, value: Buffer.from(label, "utf8") },
    { type: ck.CKA_ID, value: id },
    ...asked.filter(({ type }) => !leavesUsesOpen || !uses.has(type)).map(({ type, value }) => ({ type, value })),
  ];
}

/** The template of the public key kept beside it. */
export function publicTemplate({ kind, label, id }: NewKey, { leavesUsesOpen }: ModuleQuirks): Template {
  const otherUses = [ck.CKA_ENCRYPT, ck.CKA_WRAP].map((type) => ({ type, value: false }));
  return [
    ...kind.publicTemplate,
    { type: ck.CKA_CLASS, value: ck.CKO_PUBLIC_KEY },
    { type: ck.CKA_KEY_TYPE, value: kind.keyType },
    { type: ck.CKA_TOKEN, value: true },
    { type: ck.CKA_PRIVATE, value: false },
    { type: ck.CKA_VERIFY, value: true },
    ...(leavesUsesOpen ? [] : otherUses),
    { type: ck.CKA_LABEL, value: Buffer.from(label, "utf8") },
    { type: ck.CKA_ID, value: id },
  ];
}

/**
 * Reads back what protects a private key, because a token may ignore what it was asked for (I6).
 * Throws `key-attributes-wrong`, naming every attribute that is not as it must be.
 */
export function requireProtected(session: Session, privateKey: Handle): void {
  const { leavesUsesOpen } = quirksOf(session.cryptoki);
  const wrong = [...asked, ...consequences]
    .filter(({ type }) => !leavesUsesOpen || !uses.has(type))
    .filter((protection) => !isAs(protection, findAttribute(session, privateKey, protection.type)))
    .map(({ name, value }) => `${name} is not ${value}`);
  if (wrong.length === 0) return;
  throw new FleetError("key-attributes-wrong", `the private key on the token is not protected: ${wrong.join(", ")}`, {
    hint: "the token or its module does not protect keys as asked; do not use it, or import no keys into it",
  });
}

/** A use the token has no attribute for is not allowed by it; everything else must be shown. */
function isAs({ type, value }: Protection, actual: Buffer | undefined): boolean {
  if (actual === undefined) return uses.has(type);
  return value === actual.some((octet) => octet !== 0);
}

interface Protection {
  readonly name: string;
  readonly type: number;
  readonly value: boolean;
}

const uses: ReadonlySet<number> = new Set([ck.CKA_DECRYPT, ck.CKA_UNWRAP, ck.CKA_DERIVE, ck.CKA_SIGN_RECOVER]);

const asked: readonly Protection[] = [
  { name: "CKA_TOKEN", type: ck.CKA_TOKEN, value: true },
  { name: "CKA_PRIVATE", type: ck.CKA_PRIVATE, value: true },
  { name: "CKA_SENSITIVE", type: ck.CKA_SENSITIVE, value: true },
  { name: "CKA_EXTRACTABLE", type: ck.CKA_EXTRACTABLE, value: false },
  { name: "CKA_SIGN", type: ck.CKA_SIGN, value: true },
  { name: "CKA_DECRYPT", type: ck.CKA_DECRYPT, value: false },
  { name: "CKA_UNWRAP", type: ck.CKA_UNWRAP, value: false },
  { name: "CKA_DERIVE", type: ck.CKA_DERIVE, value: false },
  { name: "CKA_SIGN_RECOVER", type: ck.CKA_SIGN_RECOVER, value: false },
];

// What the token itself derives: the key was made inside and was never anything else (PKCS#11 3.0 §4.9).
const consequences: readonly Protection[] = [
  { name: "CKA_LOCAL", type: ck.CKA_LOCAL, value: true },
  { name: "CKA_ALWAYS_SENSITIVE", type: ck.CKA_ALWAYS_SENSITIVE, value: true },
  { name: "CKA_NEVER_EXTRACTABLE", type: ck.CKA_NEVER_EXTRACTABLE, value: true },
];
