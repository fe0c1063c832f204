import { request } from "node:http";
import { join } from "node:path";
import type { AgentReport } from "./fleet.ts";

/** Asks an agent of its own process over its local socket; `stopped` when nobody answers. */
export function askAgent(device: string, data: string): Promise<AgentReport> {
  return new Promise((resolve) => {
    const stopped = () => resolve({ device, state: "stopped", lastError: "" });
    const asking = request({ socketPath: join(data, "agent.sock"), path: "/v1/status", timeout: 2000 }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => {
        const { connection } = JSON.parse(text) as { connection?: { state: string; lastError: string } };
        resolve({ device, state: connection?.state ?? "stopped", lastError: connection?.lastError ?? "" });
      });
    });
    asking.on("timeout", () => asking.destroy());
    asking.on("error", stopped);
    asking.end();
  });
}

/** What an agent says of a certificate over its local socket: `good`, `revoked`, `unknown`; empty when nobody answers. */
export function askRevocation(data: string, issuer: string, serial: string): Promise<string> {
  return new Promise((resolve) => {
    const path = `/v1/revocation/${issuer}/${serial}`;
    const asking = request({ socketPath: join(data, "agent.sock"), path, timeout: 2000 }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => resolve(String((JSON.parse(text) as { status?: unknown }).status ?? "")));
    });
    asking.on("timeout", () => asking.destroy());
    asking.on("error", () => resolve(""));
    asking.end();
  });
}
