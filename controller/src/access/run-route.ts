import { FleetError } from "@fleetcert/shared";
import type { TSchema } from "typebox";
import { Value } from "typebox/value";
import type { Actor, Operations } from "./operations.ts";
import { requireAllowed } from "./permissions.ts";
import type { RequestParts, Route } from "./route.ts";

/** Records an attempt without the right; nothing else happens (I8). */
export type RecordDenied = (attempt: {
  readonly actor: Actor;
  readonly route: string;
  readonly permission: string;
}) => Promise<void>;

/**
 * Runs one route for an actor: right first, then shapes, then the operation.
 * Throws `denied` (recorded), `request-invalid`, and whatever the operation throws.
 */
export async function runRoute(
  route: Route,
  context: { readonly operations: Operations; readonly actor: Actor; readonly recordDenied: RecordDenied },
  parts: RequestParts,
): Promise<unknown> {
  const { operations, actor, recordDenied } = context;
  try {
    requireAllowed(actor, route.permission);
  } catch (error) {
    await recordDenied({ actor, route: route.name, permission: route.permission });
    throw error;
  }
  return route.call(operations, actor, {
    params: parts.params ?? {},
    query: checked(route.query, parts.query ?? {}, "query"),
    body: checked(route.body, parts.body, "body"),
  });
}

function checked(schema: TSchema | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) {
    const isEmpty =
      value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0);
    if (!isEmpty) throw new FleetError("request-invalid", `this request takes no ${where}`);
    return {};
  }
  // Only the query string needs converting: everything in it is text. A body of the wrong type is an error.
  const candidate = where === "query" ? Value.Convert(schema, structuredClone(value)) : value;
  if (Value.Check(schema, candidate)) return candidate;
  const [first] = Value.Errors(schema, candidate);
  const place = first?.instancePath === undefined || first.instancePath === "" ? "" : ` at ${first.instancePath}`;
  throw new FleetError("request-invalid", `the ${where}${place} ${first?.message ?? "has the wrong shape"}`, {
    hint: "the shapes are in /api/v1/openapi.json",
  });
}
