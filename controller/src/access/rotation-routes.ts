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
      },
      closed,
    ),
    call: ({ rotations }, actor, { body }) => rotations.request(actor, body),
  },
];
