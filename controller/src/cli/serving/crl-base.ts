import type { Config } from "../../config.ts";

/** `http://host:port` of the distribution point that listens on this port, as certificates and lists name it. */
export function crlBaseOf({ hosts }: Pick<Config, "hosts">, port: number): string {
  const [host = "localhost"] = hosts;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The same as far as it is known before anything listens: undefined where the port is chosen at every start. */
export function fixedCrlBase(config: Pick<Config, "hosts" | "listeners">): string | undefined {
  const { port } = config.listeners.http;
  return port === 0 ? undefined : crlBaseOf(config, port);
}
