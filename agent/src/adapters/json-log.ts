import { writeSync } from "node:fs";
import { isFleetError } from "@fleetcert/shared";
import type { Log } from "../ports.ts";

/** Takes whole lines, each with its end. */
export interface LineSink {
  write(line: string): void;
}

/**
 * One JSON line per event on the given sink, with field names of the Elastic Common Schema; what is ours stands under
 * `fleetcert`. `device` tells agents of one process apart.
 */
export function openJsonLog(
  options: { readonly level: string; readonly device: string | undefined },
  sink: LineSink = standardError,
): Log {
  const least = levels.indexOf(options.level);
  const base = { "service.name": "fleetcert-agent", ...(options.device && { "device.id": options.device }) };
  const write = (level: "info" | "warn" | "error"): Log["info"] => {
    return ({ error, ...fields }, event) => {
      if (levels.indexOf(level) < least) return;
      const line = {
        "log.level": level,
        "@timestamp": new Date().toISOString(),
        ...base,
        "event.action": event,
        fleetcert: fields,
        ...(error !== undefined && { error: errorFields(error) }),
        message: event,
      };
      sink.write(`${JSON.stringify(line)}\n`);
    };
  };
  return { info: write("info"), warn: write("warn"), error: write("error") };
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

/** A line is out when the process is killed after it; one that cannot be written is lost, and the agent goes on. */
const standardError: LineSink = {
  write(line) {
    try {
      writeSync(2, line);
    } catch {
      // A full pipe or a closed one: there is nobody left to tell.
    }
  },
};

const levels: readonly string[] = ["info", "warn", "error"];
