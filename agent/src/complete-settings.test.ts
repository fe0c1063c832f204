import fc from "fast-check";
import { Default, Errors } from "typebox/value";
import { expect, it } from "vitest";
import { completeSettings } from "./complete-settings.ts";
import { configSchema } from "./config.ts";

const complete = (given: unknown) =>
  completeSettings(configSchema, given, (path, what) => {
    throw new Error(`${path.join(".")}: ${what}`);
  });

it("puts every default in", () => {
  expect(complete({ controller: { port: 1 } })).toEqual(Default(configSchema, { controller: { port: 1 } }));
});

it.each([
  [{ controller: null }, "controller: must be a section with settings"],
  [{ controller: { port: 1.5 } }, "controller.port: must be a whole number"],
  [{ controller: { port: 0 } }, "controller.port: must be at least 1"],
  [{ keys: { provider: "paper" } }, "keys.provider: must be software or pkcs11"],
  [{ device: 17 }, "device: must be text"],
  [{ claimFile: "x".repeat(5000) }, "claimFile: must have at most 4096 characters"],
  [JSON.parse('{"__proto__": {"device": "x"}}'), ': unknown setting "__proto__"'],
])("refuses %j", (given, message) => {
  expect(() => complete(given)).toThrow(message);
});

it("accepts and completes exactly what the engine of the schema does", () => {
  const texts = fc.array(fc.string({ maxLength: 2 }), { maxLength: 2 });
  const reload = fc.record({ command: texts, timeout: fc.constantFrom("1s", "x") }, { requiredKeys: [] });
  const output = fc.record({ file: fc.string(), include: texts, reload }, { requiredKeys: [] });
  const leaf = fc.oneof(
    fc.constantFrom("", "a", "1h", "software", "pkcs11", "info", null, true, 0, 1, 8883, 65536, 1.5),
    fc.string(),
    fc.integer(),
    fc.array(fc.string(), { maxLength: 2 }),
    fc.array(output, { maxLength: 2 }),
  );
  const names = [
    "device",
    "controller",
    "host",
    "port",
    "keys",
    "provider",
    "token",
    "pace",
    "retryCap",
    "log",
    "level",
  ];
  const section = fc.dictionary(fc.constantFrom(...names), leaf, { maxKeys: 3 });
  const settings = fc.dictionary(fc.constantFrom(...names), fc.oneof(leaf, section, section), { maxKeys: 4 });
  fc.assert(
    fc.property(settings, (given) => {
      const full = Default(configSchema, structuredClone(given));
      if (Errors(configSchema, full).length > 0) expect(() => complete(given)).toThrow();
      else expect(complete(given)).toEqual(full);
    }),
    { numRuns: 2000 },
  );
});
