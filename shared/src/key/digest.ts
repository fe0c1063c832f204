import { hash } from "node:crypto";

/** SHA-256 of bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(hash("sha256", bytes, "buffer"));

/** SHA-256 of bytes, lower-case hex. */
export const sha256Hex = (bytes: Uint8Array): string => hash("sha256", bytes, "hex");

/** Key id: SHA-256 of a DER SubjectPublicKeyInfo, lower-case hex. */
export const spkiSha256 = (spki: Uint8Array): string => sha256Hex(spki);
