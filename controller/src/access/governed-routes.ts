import { Type } from "typebox";
import type { Route } from "./route.ts";
import { closed, deviceId, filter, label } from "./route-shapes.ts";

/** Routes of what is bounded for one person: revocations, plans that wait for a second one, and the bounds. */
export const governedRoutes: readonly Route[] = [
  {
    name: "revocations.plan",
    method: "POST",
    path: "/revocations/plan",
    permission: "certificate.revoke",
    summary: "Show what a revocation would do, without doing it",
    body: revocation(),
    call: ({ revocations }, actor, { body }) => revocations.plan(actor, body),
  },
  {
    name: "revocations.revoke",
    method: "POST",
    path: "/revocations",
    permission: "certificate.revoke",
    summary: "Revoke or hold; takes effect at once, or waits for a second person above the bound",
    body: revocation(),
    call: ({ revocations }, actor, { body }) => revocations.revoke(actor, body),
  },
  {
    name: "revocations.undo",
    method: "POST",
    path: "/revocations/undo",
    permission: "device.reinstate",
    summary: "Lift holds; nothing else can be undone",
    body: closed(selection()),
    call: ({ revocations }, actor, { body }) => revocations.undo(actor, body),
  },
  {
    name: "revocations.status",
    method: "GET",
    path: "/revocations/status",
    permission: "fleet.read",
    summary: "How far an epoch, or the last one of a plan, has come; the latest when none is named",
    query: closed({ epoch: Type.Optional(Type.Integer({ minimum: 1 })), plan: Type.Optional(hash()) }),
    call: ({ revocations }, actor, { query }) => revocations.status(actor, query),
  },
  {
    name: "plans.list",
    method: "GET",
    path: "/plans",
    permission: "fleet.read",
    summary: "List plans, those that wait for a second person among them",
    query: closed({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) }),
    call: ({ plans }, actor, { query }) => plans.list(actor, query),
  },
  {
    name: "plans.show",
    method: "GET",
    path: "/plans/:hash",
    permission: "fleet.read",
    summary: "Show a plan by its hash or the beginning of it",
    call: ({ plans }, actor, { params }) => plans.show(actor, params["hash"] ?? ""),
  },
  {
    name: "plans.approve",
    method: "POST",
    path: "/plans/:hash/approve",
    permission: "plan.approve",
    summary: "Approve exactly this plan as a second person; it is carried out at once",
    call: ({ plans }, actor, { params }) => plans.approve(actor, params["hash"] ?? ""),
  },
  {
    name: "plans.reject",
    method: "POST",
    path: "/plans/:hash/reject",
    permission: "plan.control",
    summary: "Reject a plan that waits, or take it back",
    body: closed({ remark: label() }),
    call: ({ plans }, actor, { params, body }) => plans.reject(actor, params["hash"] ?? "", body.remark),
  },
  {
    name: "plans.control",
    method: "POST",
    path: "/plans/:hash/control",
    permission: "plan.control",
    summary: "Pause, resume or end a plan that is carried out in stages",
    body: closed({ wish: Type.Union([Type.Literal("pause"), Type.Literal("resume"), Type.Literal("abort")]) }),
    call: ({ plans }, actor, { params, body }) => plans.control(actor, params["hash"] ?? "", body.wish),
  },
  {
    name: "bounds.show",
    method: "GET",
    path: "/bounds",
    permission: "fleet.read",
    summary: "What one person may do alone within 24 hours",
    call: ({ bounds }, actor) => bounds.show(actor),
  },
  {
    name: "bounds.set",
    method: "POST",
    path: "/bounds",
    permission: "bound.write",
    summary: "Change a bound; raising one needs a second person",
    body: closed({
      bound: Type.String({ maxLength: 32 }),
      value: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
    }),
    call: ({ bounds }, actor, { body }) => bounds.set(actor, body.bound, body.value),
  },
];

function revocation() {
  return closed({
    ...selection(),
    reason: Type.String({ maxLength: 32 }),
    invalidityDate: Type.Optional(Type.Integer({ minimum: 0, maximum: 253_402_300_799_000 })),
    rate: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  });
}

function selection() {
  return {
    device: Type.Optional(deviceId()),
    serial: Type.Optional(serial()),
    listed: Type.Optional(
      closed({
        devices: Type.Array(deviceId(), { maxItems: 100_000 }),
        serials: Type.Array(serial(), { maxItems: 100_000 }),
      }),
    ),
    filter: Type.Optional(filter()),
    batch: Type.Optional(label()),
  };
}

function serial() {
  return Type.String({ pattern: "^[0-9a-fA-F]{2,40}$" });
}

function hash() {
  return Type.String({ pattern: "^[0-9a-fA-F]{8,64}$" });
}
