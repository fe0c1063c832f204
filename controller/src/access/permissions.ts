import { FleetError } from "@fleetcert/shared";
import type { Role } from "../records.ts";
import type { Actor } from "./operations.ts";

/** What an actor may be allowed to do; every route and command names exactly one. */
export const permissions = [
  "fleet.read",
  "audit.read",
  "claim.write",
  "device.write",
  "device.reinstate",
  "device.attest",
  "certificate.renew",
  "certificate.revoke",
  "courier.exchange",
  "trust.write",
  "plan.control",
  "plan.approve",
  "bound.write",
  "operator.write",
] as const;

/** One of {@link permissions}. */
export type Permission = (typeof permissions)[number];

/** Which role may do what; what is not named is denied. */
export const rolePermissions: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: ["fleet.read"],
  auditor: ["fleet.read", "audit.read"],
  field: ["fleet.read", "certificate.renew", "courier.exchange"],
  factory: ["fleet.read", "claim.write"],
  operator: ["fleet.read", "audit.read", "claim.write", "device.write", "device.attest", "certificate.renew"],
  security: ["fleet.read", "audit.read", "certificate.revoke", "certificate.renew", "device.attest", "plan.control"],
  approver: ["fleet.read", "audit.read", "device.reinstate", "plan.control", "plan.approve"],
  admin: permissions,
};

/** Whether the role holds the permission. */
export function isAllowed(role: Role, permission: Permission): boolean {
  return rolePermissions[role].includes(permission);
}

/** Throws `denied` unless the actor's role holds the permission. */
export function requireAllowed(actor: Actor, permission: Permission): void {
  if (isAllowed(actor.role, permission)) return;
  const able = Object.entries(rolePermissions).filter(([, held]) => held.includes(permission));
  throw new FleetError("denied", `${actor.name} is ${actor.role} and may not ${permission}`, {
    hint: `ask somebody who is ${able.map(([role]) => role).join(" or ")}`,
  });
}
