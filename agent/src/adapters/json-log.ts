import { isFleetError } from "@fleetcert/shared";
import { type DestinationStream, pino } from "pino";
import type { Log } from "../ports.ts";

/**
 * One JSON line per event on the given stream, with field names of the Elastic Common Schema; what is ours stands under
 * `fleetcert`. `device` tells agents of one process apart.
 */
export function openJsonLog(
  options: { readonly level: string; readonly device: string | undefined },
  destination: DestinationStream = standardError(),
): Log {
  const logger = pino(
    {
      level: options.level,
      base: { "service.name": "fleetcert-agent", ...(options.device && { "device.id": options.device }) },
      messageKey: "message",
      timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ "log.level": label }) },
    },
    destination,
  );
  const write = (level: "info" | "warn" | "error"): Log["info"] => {
    return ({ error, ...fields }, event) => {
      logger[level](
        { "event.action": event, fleetcert: fields, ...(error !== undefined && { error: errorFields(error) }) },
        event,
      );
    };
  };
  return { info: write("info"), warn: write("warn"), error: write("error") };
}

let opened: DestinationStream | undefined;

/** One for the process, however many agents live in it. */
function standardError(): DestinationStream {
  opened ??= pino.destination({ dest: 2, sync: true });
  return opened;
}

/** Causes are kept as far as they go, but not without end. */
function errorFields(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = isFleetError(error) ? error.code : "code" in error ? error.code : undefined;
  return {
    type: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    ...(!isFleetError(error) && { stack_trace: error.stack }),
    ...(error.cause !== undefined && depth < 5 && { cause: errorFields(error.cause, depth + 1) }),
  };
}
