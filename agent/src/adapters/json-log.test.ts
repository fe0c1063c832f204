import { FleetError, Secret } from "@fleetcert/shared";
import { expect, it } from "vitest";
import { openJsonLog } from "./json-log.ts";

function aLog(level = "info") {
  const lines: string[] = [];
  const log = openJsonLog({ level, device: "pump-1" }, { write: (line) => void lines.push(line) });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

it("an event is one JSON line with the fields of ECS", () => {
  const { log, parsed } = aLog();
  log.info({ generation: 2 }, "connected");
  expect(parsed()).toEqual([
    {
      "@timestamp": expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      "log.level": "info",
      "service.name": "fleetcert-agent",
      "device.id": "pump-1",
      "event.action": "connected",
      fleetcert: { generation: 2 },
      message: "connected",
    },
  ]);
});

it("an error is told with its code and its causes, and no line is broken by what it says", () => {
  const { log, lines, parsed } = aLog();
  const cause = new Error("line one\nline two");
  log.warn({ error: new FleetError("offline", "no network", { cause }) }, "not connected");
  expect(parsed()[0]).toMatchObject({
    error: { code: "offline", message: "no network", cause: { type: "Error", message: "line one\nline two" } },
  });
  expect(lines[0]?.trimEnd()).not.toContain("\n");
});

it("I6: a secret in a field is not written", () => {
  const { log, lines } = aLog();
  log.info({ claim: { secret: Secret.of("c2VjcmV0") } }, "enrolling");
  expect(lines.join("")).toContain("[secret]");
  expect(lines.join("")).not.toContain("c2VjcmV0");
});

it("what is below the level is not written", () => {
  const { log, lines } = aLog("error");
  log.info({}, "connected");
  log.warn({}, "not connected");
  log.error({}, "state lost");
  expect(lines).toHaveLength(1);
});
