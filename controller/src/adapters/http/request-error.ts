import { FleetError } from "@fleetcert/shared";

/** What the web framework refuses is the caller's doing and has a code of ours; anything else stays what it is. */
export function asRequestError(error: unknown): unknown {
  const status = (error as { statusCode?: number }).statusCode;
  if (error instanceof FleetError || status === undefined || status < 400 || status >= 500) return error;
  const code = status === 413 ? "message-too-large" : "request-invalid";
  return new FleetError(code, error instanceof Error ? error.message : "the request is malformed", { cause: error });
}
