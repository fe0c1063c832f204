import { Type } from "typebox";
import type { Route } from "./route.ts";

const closed = { additionalProperties: false };
const deviceId = Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$" });
const slotName = Type.String({ pattern: "^[a-z][a-z0-9-]{0,31}$" });
const instant = Type.Integer({ minimum: 0 });
const explanationUrl = Type.String({ maxLength: 512, pattern: "^https?://[!-~]+$" });

/** Routes of rotation: of devices that are named, and of a selection in waves. */
export const rotationRoutes: readonly Route[] = [
  {
    name: "rotations.request",
    method: "POST",
    path: "/rotations",
    permission: "certificate.renew",
    summary: "Ask devices for a new key and certificate, now or within a window",
    body: Type.Object(
      {
        devices: Type.Array(deviceId, { minItems: 1, maxItems: 100_000 }),
        slot: Type.Optional(slotName),
        window: Type.Optional(Type.Object({ start: instant, end: instant }, closed)),
        isUrgent: Type.Optional(Type.Boolean()),
        explanationUrl: Type.Optional(explanationUrl),
        isDryRun: Type.Optional(Type.Boolean()),
      },
      closed,
    ),
    call: ({ rotations }, actor, { body }) => rotations.request(actor, body),
  },
  {
    name: "rotations.plan",
    method: "POST",
    path: "/rollouts",
    permission: "certificate.renew",
    summary: "Fix a selection and its waves; nobody is asked before it is started",
    body: Type.Object(
      {
        filter: Type.String({ maxLength: 1024 }),
        slot: Type.Optional(slotName),
        percents: Type.Optional(Type.Array(Type.Integer({ minimum: 1, maximum: 100 }), { maxItems: 20 })),
        bySite: Type.Optional(Type.Boolean()),
        provenPercent: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
        maxFailures: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
        within: Type.Optional(duration(1000)),
        soak: Type.Optional(duration(0)),
        spread: Type.Optional(duration(0)),
        isUrgent: Type.Optional(Type.Boolean()),
        explanationUrl: Type.Optional(explanationUrl),
      },
      closed,
    ),
    call: ({ rotations }, actor, { body }) => rotations.plan(actor, body),
  },
  {
    name: "rotations.list",
    method: "GET",
    path: "/rollouts",
    permission: "fleet.read",
    summary: "List rollouts",
    query: Type.Object(
      {
        after: Type.Optional(Type.String({ maxLength: 256 })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        filter: Type.Optional(Type.String({ maxLength: 1024 })),
      },
      closed,
    ),
    call: ({ rotations }, actor, { query }) => rotations.list(actor, query),
  },
  {
    name: "rotations.show",
    method: "GET",
    path: "/rollouts/:id",
    permission: "fleet.read",
    summary: "Show a rollout with its waves",
    call: ({ rotations }, actor, { params }) => rotations.show(actor, params["id"] ?? ""),
  },
  {
    name: "rotations.start",
    method: "POST",
    path: "/rollouts/:id/start",
    permission: "certificate.renew",
    summary: "Start a planned rollout",
    call: ({ rotations }, actor, { params }) => rotations.start(actor, params["id"] ?? ""),
  },
  {
    name: "rotations.pause",
    method: "POST",
    path: "/rollouts/:id/pause",
    permission: "certificate.renew",
    summary: "Ask nobody else; those asked go on",
    call: ({ rotations }, actor, { params }) => rotations.pause(actor, params["id"] ?? ""),
  },
  {
    name: "rotations.resume",
    method: "POST",
    path: "/rollouts/:id/resume",
    permission: "certificate.renew",
    summary: "Let a paused rollout go on",
    call: ({ rotations }, actor, { params }) => rotations.resume(actor, params["id"] ?? ""),
  },
  {
    name: "rotations.abort",
    method: "POST",
    path: "/rollouts/:id/abort",
    permission: "certificate.renew",
    summary: "End a rollout; those asked go on",
    call: ({ rotations }, actor, { params }) => rotations.abort(actor, params["id"] ?? ""),
  },
  {
    name: "rotations.rollback",
    method: "POST",
    path: "/rollouts/:id/rollback",
    permission: "certificate.renew",
    summary: "End a rollout and take back what is not fulfilled",
    call: ({ rotations }, actor, { params }) => rotations.rollback(actor, params["id"] ?? ""),
  },
];

function duration(minimum: number) {
  return Type.Integer({ minimum, maximum: 365 * 86_400_000 });
}
