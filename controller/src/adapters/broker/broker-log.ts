/** Where the broker reports events; a pino logger is one. Fields never hold payloads, passwords or unchecked text. */
export interface BrokerLog {
  info(fields: Readonly<Record<string, unknown>>, event: string): void;
  warn(fields: Readonly<Record<string, unknown>>, event: string): void;
}
