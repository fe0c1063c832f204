import { type TSchema, Type } from "typebox";

/** An object that takes no other members. */
export function closed<T extends Record<string, TSchema>>(properties: T) {
  return Type.Object(properties, { additionalProperties: false });
}

/** What every listing takes. */
export function listing() {
  return closed({
    after: Type.Optional(Type.String({ maxLength: 256 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    filter: Type.Optional(filter()),
  });
}

/** An expression of the filter language. */
export function filter() {
  return Type.String({ maxLength: 1024 });
}

/** A name of a profile. */
export function name() {
  return Type.String({ pattern: "^[a-z][a-z0-9-]{0,63}$" });
}

/** A device id. */
export function deviceId() {
  return Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$" });
}

/** A span from a second to ten years. */
export function milliseconds() {
  return Type.Integer({ minimum: 1000, maximum: 10 * 365 * 86_400_000 });
}

/** Text of one line without control characters. */
export function label() {
  return Type.String({ maxLength: 128, pattern: "^[^\\u0000-\\u001f\\u007f]*$" });
}

/** Octets of at most so many, as base64. */
export function base64(maxBytes: number) {
  return Type.String({ maxLength: Math.ceil(maxBytes / 3) * 4, pattern: "^[A-Za-z0-9+/]*={0,2}$" });
}

/** Registry attributes that a claim gives its devices. */
export function attributes() {
  return closed({ ...described(), connectivity: Type.Optional(connectivityClass()) });
}

/** Registry attributes to be changed; `computed` lets the class follow from contacts again. */
export function attributeChanges() {
  const connectivity = Type.Union([connectivityClass(), Type.Literal("computed")]);
  return closed({ ...described(), connectivity: Type.Optional(connectivity) });
}

function connectivityClass() {
  return Type.Union([Type.Literal("always"), Type.Literal("daily"), Type.Literal("rare"), Type.Literal("courier")]);
}

function described() {
  return {
    site: Type.Optional(label()),
    owner: Type.Optional(label()),
    environment: Type.Optional(label()),
    criticality: Type.Optional(Type.Union([Type.Literal("low"), Type.Literal("medium"), Type.Literal("high")])),
    tags: Type.Optional(Type.Array(label(), { maxItems: 64 })),
  };
}

/** The octets of checked base64. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}
