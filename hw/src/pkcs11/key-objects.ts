import { createPublicKey } from "node:crypto";
import { FleetError } from "@fleetcert/shared";
import { ck } from "./constants.ts";
import type { Cryptoki, Handle, Template } from "./cryptoki.ts";
import { findCurve, findRsaSize, type KeyKind } from "./key-kind.ts";
import { asking, resultName, tokenError } from "./token-error.ts";
import { isLoggedIn } from "./token-login.ts";

/** A session of a module, for the calls in this file. */
export interface Session {
  readonly cryptoki: Cryptoki;
  readonly session: Handle;
}

/**
 * The objects that match a template. That nothing matches is believed only while logged in: a token that was reset
 * hides private objects, which must not look as if they were gone.
 */
export function findObjects({ cryptoki, session }: Session, template: Template): Handle[] {
  const found: Handle[] = [];
  asking("C_FindObjectsInit", () => cryptoki.C_FindObjectsInit(session, template));
  try {
    for (;;) {
      const some = asking("C_FindObjects", () => cryptoki.C_FindObjects(session, 64));
      found.push(...some);
      if (some.length === 0) break;
      if (found.length > maxObjects) throw new FleetError("token-error", `the token has more than ${maxObjects} keys`);
    }
  } finally {
    asking("C_FindObjectsFinal", () => cryptoki.C_FindObjectsFinal(session));
  }
  if (found.length === 0 && !asking("C_GetSessionInfo", () => isLoggedIn(cryptoki, session))) {
    throw tokenError("looking for a key", new Error("CKR_USER_NOT_LOGGED_IN"));
  }
  return found;
}

/** The objects of a class with a CKA_ID; keys are never looked for by anything else. */
export function findById(session: Session, objectClass: number, id: Uint8Array): Handle[] {
  return findObjects(session, [
    { type: ck.CKA_CLASS, value: objectClass },
    { type: ck.CKA_ID, value: Buffer.from(id) },
  ]);
}

/** One attribute of an object; undefined where the token does not have it. */
export function findAttribute({ cryptoki, session }: Session, object: Handle, type: number): Buffer | undefined {
  try {
    return cryptoki.C_GetAttributeValue(session, object, [{ type }])[0]?.value;
  } catch (error) {
    const name = resultName(error);
    if (name === "CKR_ATTRIBUTE_TYPE_INVALID" || name === "CKR_ATTRIBUTE_SENSITIVE") return undefined;
    throw tokenError("C_GetAttributeValue", error);
  }
}

/** The label of an object, empty when it has none. */
export function labelOf(session: Session, object: Handle): string {
  return findAttribute(session, object, ck.CKA_LABEL)?.toString("utf8") ?? "";
}

/** The kind of a key object, private or public; undefined for keys Fleetcert does not use. */
export function kindOf(session: Session, object: Handle): KeyKind | undefined {
  const ecParams = findAttribute(session, object, ck.CKA_EC_PARAMS);
  if (ecParams !== undefined && ecParams.length > 0) return findCurve(ecParams);
  const modulus = findAttribute(session, object, ck.CKA_MODULUS);
  return modulus === undefined ? undefined : findRsaSize(bitLength(modulus));
}

/** DER SubjectPublicKeyInfo of a public key object; throws `token-error` when the token shows no usable key. */
export function readSpki(session: Session, publicKey: Handle): { spki: Uint8Array; kind: KeyKind } {
  const kind = kindOf(session, publicKey);
  if (kind === undefined) throw new FleetError("token-error", "the token holds a key of a kind Fleetcert does not use");
  try {
    const jwk = jwkOf(session, publicKey, kind);
    const spki = createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "der" });
    return { spki: new Uint8Array(spki), kind };
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError("token-error", "the token shows a public key that is none", { cause });
  }
}

function jwkOf(session: Session, publicKey: Handle, kind: KeyKind): JsonWebKey {
  if (kind.keyType === ck.CKK_EC) return ecJwk(session, publicKey, kind);
  return kind.keyType === ck.CKK_EC_EDWARDS ? edwardsJwk(session, publicKey) : rsaJwk(session, publicKey);
}

function edwardsJwk(session: Session, publicKey: Handle): JsonWebKey {
  // 32 octets, bare or wrapped into an OCTET STRING.
  const point = requireAttribute(session, publicKey, ck.CKA_EC_POINT).subarray(-32);
  return { kty: "OKP", crv: "Ed25519", x: point.toString("base64url") };
}

function ecJwk(session: Session, publicKey: Handle, kind: KeyKind): JsonWebKey {
  const size = kind.bits / 8;
  const point = requireAttribute(session, publicKey, ck.CKA_EC_POINT);
  // PKCS#11 3.0 §6.3.3 wraps the point into an OCTET STRING; some modules give it bare.
  const bare = point.length === 1 + 2 * size ? point : point.subarray(point.length - 1 - 2 * size);
  if (bare.length !== 1 + 2 * size || bare[0] !== 4)
    throw new FleetError("token-error", "the EC point is not uncompressed");
  const [x, y] = [bare.subarray(1, 1 + size), bare.subarray(1 + size)];
  return { kty: "EC", crv: kind.algorithm, x: x.toString("base64url"), y: y.toString("base64url") };
}

function rsaJwk(session: Session, publicKey: Handle): JsonWebKey {
  const n = requireAttribute(session, publicKey, ck.CKA_MODULUS);
  const e = requireAttribute(session, publicKey, ck.CKA_PUBLIC_EXPONENT);
  return { kty: "RSA", n: n.toString("base64url"), e: e.toString("base64url") };
}

function requireAttribute(session: Session, object: Handle, type: number): Buffer {
  const value = findAttribute(session, object, type);
  if (value === undefined)
    throw new FleetError("token-error", `the token does not show attribute 0x${type.toString(16)}`);
  return value;
}

function bitLength(number: Buffer): number {
  const start = number.findIndex((octet) => octet !== 0);
  return start < 0 ? 0 : (number.length - start) * 8 - Math.clz32(number[start] ?? 0) + 24;
}

type JsonWebKey = import("node:crypto").JsonWebKey;

const maxObjects = 10_000;
