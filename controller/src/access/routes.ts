import { type TSchema, Type } from "typebox";
import { courierRoutes } from "./courier-routes.ts";
import { rotationRoutes } from "./rotation-routes.ts";
import type { Route } from "./route.ts";

/** Every route of `/api/v1`; the server, the client, the OpenAPI document and the rights test are made from it. */
export const routes: readonly Route[] = [
  {
    name: "claims.create",
    method: "POST",
    path: "/claims",
    permission: "claim.write",
    summary: "Create a counted, expiring right to enrol",
    body: closed({
      maxUses: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
      validFor: milliseconds(),
      profile: Type.Optional(name()),
      allowedDevices: Type.Optional(Type.Array(deviceId(), { maxItems: 100_000 })),
      attributes: Type.Optional(attributes()),
    }),
    call: ({ claims }, actor, { body }) => claims.create(actor, body),
  },
  {
    name: "claims.list",
    method: "GET",
    path: "/claims",
    permission: "fleet.read",
    summary: "List claims",
    query: listing(),
    call: ({ claims }, actor, { query }) => claims.list(actor, query),
  },
  {
    name: "claims.revoke",
    method: "POST",
    path: "/claims/:id/revoke",
    permission: "claim.write",
    summary: "End a claim; what it enrolled stays",
    call: ({ claims }, actor, { params }) => claims.revoke(actor, params["id"] ?? ""),
  },
  {
    name: "devices.list",
    method: "GET",
    path: "/devices",
    permission: "fleet.read",
    summary: "List devices",
    query: listing(),
    call: ({ devices }, actor, { query }) => devices.list(actor, query),
  },
  {
    name: "devices.show",
    method: "GET",
    path: "/devices/:id",
    permission: "fleet.read",
    summary: "Show one device with its certificates and last report",
    call: ({ devices }, actor, { params }) => devices.show(actor, params["id"] ?? ""),
  },
  {
    name: "devices.set",
    method: "PATCH",
    path: "/devices/:id",
    permission: "device.write",
    summary: "Set registry attributes",
    body: attributes(),
    call: ({ devices }, actor, { params, body }) => devices.set(actor, params["id"] ?? "", body),
  },
  {
    name: "devices.suspend",
    method: "POST",
    path: "/devices/:id/suspend",
    permission: "certificate.revoke",
    summary: "Suspend a device: no certificate by any way until a person re-approves it",
    body: closed({ reason: Type.String({ minLength: 1, maxLength: 500 }) }),
    call: ({ devices }, actor, { params, body }) => devices.suspend(actor, params["id"] ?? "", body.reason),
  },
  {
    name: "devices.reinstate",
    method: "POST",
    path: "/devices/:id/reinstate",
    permission: "device.reinstate",
    summary: "Re-approve a suspended device",
    call: ({ devices }, actor, { params }) => devices.reinstate(actor, params["id"] ?? ""),
  },
  {
    name: "devices.retire",
    method: "POST",
    path: "/devices/:id/retire",
    permission: "certificate.revoke",
    summary: "Retire a device: revoke, erase keys on next contact, keep the history",
    call: ({ devices }, actor, { params }) => devices.retire(actor, params["id"] ?? ""),
  },
  ...rotationRoutes,
  {
    name: "certificates.list",
    method: "GET",
    path: "/certificates",
    permission: "fleet.read",
    summary: "List certificates",
    query: closed({ ...listing().properties, notProven: Type.Optional(Type.Boolean()) }),
    call: ({ certificates }, actor, { query }) => certificates.list(actor, query),
  },
  {
    name: "certificates.show",
    method: "GET",
    path: "/certificates/:id",
    permission: "fleet.read",
    summary: "Show a certificate by SHA-256 or serial",
    call: ({ certificates }, actor, { params }) => certificates.show(actor, params["id"] ?? ""),
  },
  {
    name: "fleet.age",
    method: "GET",
    path: "/fleet/age",
    permission: "fleet.read",
    summary: "Distribution of certificate age, and what of the controller expires",
    query: closed({
      by: Type.Optional(Type.Union([Type.Literal("site"), Type.Literal("profile"), Type.Literal("issuer")])),
      filter: Type.Optional(filter()),
    }),
    call: ({ fleet }, actor, { query }) => fleet.age(actor, query),
  },
  {
    name: "fleet.summary",
    method: "GET",
    path: "/fleet/summary",
    permission: "fleet.read",
    summary: "Counts and service levels",
    call: ({ fleet }, actor) => fleet.summary(actor),
  },
  {
    name: "revocations.plan",
    method: "POST",
    path: "/revocations/plan",
    permission: "certificate.revoke",
    summary: "Show what a revocation would do, without doing it",
    body: revocationSelection(),
    call: ({ revocations }, actor, { body }) => revocations.plan(actor, body),
  },
  {
    name: "revocations.revoke",
    method: "POST",
    path: "/revocations",
    permission: "certificate.revoke",
    summary: "Revoke; takes effect at once",
    body: revocationSelection(),
    call: ({ revocations }, actor, { body }) => revocations.revoke(actor, body),
  },
  {
    name: "revocations.status",
    method: "GET",
    path: "/revocations/status",
    permission: "fleet.read",
    summary: "How far an epoch has come; the latest when none is named",
    query: closed({ epoch: Type.Optional(Type.Integer({ minimum: 1 })) }),
    call: ({ revocations }, actor, { query }) => revocations.status(actor, query.epoch),
  },
  {
    name: "crls.list",
    method: "GET",
    path: "/crls",
    permission: "fleet.read",
    summary: "List the CRLs in force",
    call: ({ crls }, actor) => crls.list(actor),
  },
  {
    name: "crls.show",
    method: "GET",
    path: "/crls/:issuer/:shard",
    permission: "fleet.read",
    summary: "Show one shard's CRL",
    call: ({ crls }, actor, { params }) => crls.show(actor, params["issuer"] ?? "", Number(params["shard"])),
  },
  {
    name: "crls.diff",
    method: "GET",
    path: "/crls/diff",
    permission: "fleet.read",
    summary: "Serials that stand in one epoch and not in another",
    query: closed({ from: Type.Integer({ minimum: 0 }), to: Type.Integer({ minimum: 0 }) }),
    call: ({ crls }, actor, { query }) => crls.diff(actor, query.from, query.to),
  },
  ...courierRoutes,
  {
    name: "audit.list",
    method: "GET",
    path: "/audit",
    permission: "audit.read",
    summary: "Audit entries in order",
    query: closed({
      from: Type.Optional(Type.Integer({ minimum: 1 })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    }),
    call: ({ audit }, actor, { query }) => audit.list(actor, query),
  },
  {
    name: "audit.verify",
    method: "GET",
    path: "/audit/verify",
    permission: "audit.read",
    summary: "Verify the audit chain from its beginning",
    call: ({ audit }, actor) => audit.verify(actor),
  },
  {
    name: "trust.show",
    method: "GET",
    path: "/trust",
    permission: "fleet.read",
    summary: "The trust bundle in force",
    call: ({ trust }, actor) => trust.show(actor),
  },
  {
    name: "trust.intend",
    method: "POST",
    path: "/trust/intents",
    permission: "trust.write",
    summary: "Record that the root is about to sign a CA certificate or its list",
    body: closed({
      kind: Type.Enum(["certificate", "crl"]),
      target: Type.String({ minLength: 1, maxLength: 64 }),
      tbsSha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    }),
    call: ({ trust }, actor, { body }) => trust.intend(actor, body),
  },
  {
    name: "trust.publish",
    method: "POST",
    path: "/trust",
    permission: "trust.write",
    summary: "Publish a trust bundle that the root has signed",
    body: closed({ bundle: base64(64 * 1024) }),
    call: ({ trust }, actor, { body }) => trust.publish(actor, fromBase64(body.bundle)),
  },
  {
    name: "operators.create",
    method: "POST",
    path: "/operators",
    permission: "operator.write",
    summary: "Certify an operator's key",
    body: closed({
      name: Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$" }),
      role: Type.Union(
        (["viewer", "auditor", "field", "factory", "operator", "security", "approver", "admin"] as const).map((role) =>
          Type.Literal(role),
        ),
      ),
      csr: base64(4096),
    }),
    call: ({ operators }, actor, { body }) => operators.create(actor, { ...body, csr: fromBase64(body.csr) }),
  },
  {
    name: "operators.list",
    method: "GET",
    path: "/operators",
    permission: "fleet.read",
    summary: "List operators",
    query: listing(),
    call: ({ operators }, actor, { query }) => operators.list(actor, query),
  },
  {
    name: "operators.disable",
    method: "POST",
    path: "/operators/:name/disable",
    permission: "operator.write",
    summary: "End an operator's access at once",
    call: ({ operators }, actor, { params }) => operators.disable(actor, params["name"] ?? ""),
  },
];

function closed<T extends Record<string, TSchema>>(properties: T) {
  return Type.Object(properties, { additionalProperties: false });
}

function listing() {
  return closed({
    after: Type.Optional(Type.String({ maxLength: 256 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    filter: Type.Optional(filter()),
  });
}

function filter() {
  return Type.String({ maxLength: 1024 });
}

function name() {
  return Type.String({ pattern: "^[a-z][a-z0-9-]{0,63}$" });
}

function deviceId() {
  return Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$" });
}

function milliseconds() {
  return Type.Integer({ minimum: 1000, maximum: 10 * 365 * 86_400_000 });
}

function label() {
  return Type.String({ maxLength: 128, pattern: "^[^\\u0000-\\u001f\\u007f]*$" });
}

function base64(maxBytes: number) {
  return Type.String({ maxLength: Math.ceil(maxBytes / 3) * 4, pattern: "^[A-Za-z0-9+/]*={0,2}$" });
}

function attributes() {
  return closed({
    site: Type.Optional(label()),
    owner: Type.Optional(label()),
    environment: Type.Optional(label()),
    criticality: Type.Optional(Type.Union([Type.Literal("low"), Type.Literal("medium"), Type.Literal("high")])),
    tags: Type.Optional(Type.Array(label(), { maxItems: 64 })),
    connectivity: Type.Optional(
      Type.Union([Type.Literal("always"), Type.Literal("daily"), Type.Literal("rare"), Type.Literal("courier")]),
    ),
  });
}

function revocationSelection() {
  return closed({
    device: Type.Optional(deviceId()),
    serial: Type.Optional(Type.String({ pattern: "^[0-9a-fA-F]{2,40}$" })),
    reason: Type.String({ maxLength: 32 }),
  });
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}
