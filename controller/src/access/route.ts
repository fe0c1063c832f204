import type { TSchema } from "typebox";
import type { Actor, Operations } from "./operations.ts";
import type { Permission } from "./permissions.ts";

/** The parts of an HTTP request that carry arguments. */
export interface RequestParts {
  /** By the names in the path's `:name` segments. */
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** One command or question of the API: the one place that says its path, its right, its shapes and what it calls. */
export interface Route {
  /** `claims.create`: group and method of {@link Operations}. */
  readonly name: string;
  readonly method: "GET" | "POST" | "PATCH";
  /** Below /api/v1, with `:name` segments. */
  readonly path: string;
  readonly permission: Permission;
  readonly summary: string;
  readonly query?: TSchema;
  readonly body?: TSchema;
  /** Calls the operation with arguments taken from checked parts; the result is JSON, octets as base64. */
  call(operations: Operations, actor: Actor, parts: CheckedParts): Promise<unknown>;
}

/** Parts that have passed the route's schemas. */
export interface CheckedParts {
  readonly params: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: the route's own schema has checked the shape
  readonly query: any;
  // biome-ignore lint/suspicious/noExplicitAny: the route's own schema has checked the shape
  readonly body: any;
}
