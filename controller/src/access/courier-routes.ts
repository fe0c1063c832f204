import { maxCourierBytes } from "@fleetcert/proto";
import { Type } from "typebox";
import type { Route } from "./route.ts";

/** The routes of whoever carries bundles. */
export const courierRoutes: readonly Route[] = [
  {
    name: "courier.exchange",
    method: "POST",
    path: "/courier/exchanges",
    permission: "courier.exchange",
    summary: "Take the bundle of a device without network and give the one to bring back",
    body: Type.Object(
      {
        bundle: Type.String({
          maxLength: Math.ceil(maxCourierBytes.request / 3) * 4,
          pattern: "^[A-Za-z0-9+/]*={0,2}$",
        }),
      },
      { additionalProperties: false },
    ),
    call: ({ courier }, actor, { body }) =>
      courier.exchange(actor, Uint8Array.from(Buffer.from(body.bundle, "base64"))),
  },
  {
    name: "courier.list",
    method: "GET",
    path: "/courier/devices",
    permission: "fleet.read",
    summary: "List the devices that couriers reach, with their last contact",
    query: Type.Object(
      {
        after: Type.Optional(Type.String({ maxLength: 256 })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        filter: Type.Optional(Type.String({ maxLength: 1024 })),
      },
      { additionalProperties: false },
    ),
    call: ({ courier }, actor, { query }) => courier.list(actor, query),
  },
];
