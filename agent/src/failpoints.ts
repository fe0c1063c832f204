/**
 * Every named point where a test may kill the agent. `renewal.<state>` comes right after that journal state is durable and
 * before anything follows from it; `renewal.after-<effect>` right after an effect and before its result is durable. Between two
 * journal states there is one of each.
 */
export const failpoints = [
  "renewal.intended",
  "renewal.after-generate",
  "renewal.keyGenerated",
  "renewal.after-makeCsr",
  "renewal.requested",
  "renewal.after-request",
  "renewal.issued",
  "renewal.after-install",
  "renewal.installed",
  "renewal.proving",
  "renewal.after-prove",
  "renewal.confirmed",
  "renewal.oldRetired",
  "renewal.after-destroy",
  "renewal.idle",
] as const;

/** The points of a service's slot, which goes by more states. */
export const serviceFailpoints = [
  ...failpoints,
  "renewal.after-reload",
  "renewal.reloaded",
  "renewal.after-verify",
  "renewal.restoring",
  "renewal.after-restore",
] as const;

/** One of {@link serviceFailpoints}. */
export type FailpointName = (typeof serviceFailpoints)[number];

/** Whether a text is one of {@link serviceFailpoints}. */
export function isFailpoint(text: string): text is FailpointName {
  return (serviceFailpoints as readonly string[]).includes(text);
}
