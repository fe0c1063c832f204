import { Type } from "typebox";
import { defaultThresholds, type Rollovers } from "../rollover/rollover.ts";
import type { RolloverOperations } from "./rollover-operations.ts";
import { defaultGates, defaultPercents } from "./rotate-in-waves.ts";
import type { Route } from "./route.ts";

const closed = { additionalProperties: false };
const percent = Type.Integer({ minimum: 0, maximum: 100 });
const duration = Type.Integer({ minimum: 0, maximum: 365 * 86_400_000 });

/** Routes of a change of the issuing CA. */
export const rolloverRoutes: readonly Route[] = [
  {
    name: "rollover.status",
    method: "GET",
    path: "/ca/rollover",
    permission: "fleet.read",
    summary: "How far a change of the issuing CA has come",
    call: ({ rollover }, actor) => rollover.status(actor),
  },
  {
    name: "rollover.begin",
    method: "POST",
    path: "/ca/rollover",
    permission: "trust.write",
    summary: "Begin a change of the issuing CA; the bundle with both is published already",
    body: Type.Object(
      {
        to: Type.String({ pattern: "^[0-9a-f]{64}$" }),
        thresholds: Type.Optional(
          Type.Object(
            {
              always: Type.Optional(percent),
              daily: Type.Optional(percent),
              rare: Type.Optional(percent),
              courier: Type.Optional(percent),
            },
            closed,
          ),
        ),
        percents: Type.Optional(Type.Array(Type.Integer({ minimum: 1, maximum: 100 }), { maxItems: 20 })),
        provenPercent: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
        maxFailures: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
        within: Type.Optional(duration),
        soak: Type.Optional(duration),
        spread: Type.Optional(duration),
      },
      closed,
    ),
    call: ({ rollover }, actor, { body }) => rollover.begin(actor, body),
  },
  {
    name: "rollover.resume",
    method: "POST",
    path: "/ca/rollover/resume",
    permission: "trust.write",
    summary: "Plan the waves of a rollover anew after they were rolled back or aborted",
    call: ({ rollover }, actor) => rollover.resume(actor),
  },
  {
    name: "rollover.finish",
    method: "POST",
    path: "/ca/rollover/finish",
    permission: "trust.write",
    summary: "End a change of the issuing CA; the bundle without the old one is published already",
    call: ({ rollover }, actor) => rollover.finish(actor),
  },
];

/** Carries the operations out by the duty. */
export function rolloverOperations(rollovers: Rollovers): RolloverOperations {
  return {
    status: () => rollovers.status(),
    begin({ name }, { to, thresholds, percents, spread = 0, ...gates }) {
      return rollovers.begin(name, {
        ...{ to, spread, percents: percents ?? defaultPercents },
        thresholds: { ...defaultThresholds, ...thresholds },
        gates: { ...defaultGates, ...gates },
      });
    },
    resume: ({ name }) => rollovers.resume(name),
    finish: ({ name }) => rollovers.finish(name),
  };
}
