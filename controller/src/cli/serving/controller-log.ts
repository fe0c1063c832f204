import pino from "pino";
import type { Metrics } from "../../adapters/metrics/metrics.ts";
import type { Notices } from "../../ports.ts";

/** Where the controller's events go: fields first, then the event in a few words. */
export interface ControllerLog {
  info(fields: Readonly<Record<string, unknown>>, event: string): void;
  warn(fields: Readonly<Record<string, unknown>>, event: string): void;
  error(fields: Readonly<Record<string, unknown>>, event: string): void;
}

/** JSON lines on standard error; `level` is one of pino's, `silent` included. */
export function openLog(level: string): ControllerLog {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}

/** Notices as log events, each counted by its name. */
export function noticesOf(log: ControllerLog, metrics: Pick<Metrics, "count">): Notices {
  return {
    raise({ name, device, details }) {
      metrics.count("fleetcert_notices_total", { name });
      if (name === "message.refused") {
        metrics.count("fleetcert_messages_refused_total", { code: details["code"] ?? "internal" });
      }
      log.warn({ notice: name, ...(device !== undefined && { device }), ...details }, name);
    },
  };
}
