import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatConfig, readConfig, variableOf } from "./config.ts";

const file = (text: string) => ({ file: { name: "config.yaml", text } });
const invalid = (about: string) =>
  expect.objectContaining({ code: "config-invalid", message: expect.stringContaining(about) });

describe("the configuration of an agent", () => {
  it("is complete without a file", () => {
    expect(readConfig({})).toMatchObject({
      device: "",
      controller: { host: "", port: 8883, bootstrapPort: 8884 },
      keys: { provider: "software" },
      pace: { retryCap: "15m" },
    });
  });

  it("is read from file, environment and flags, each above the one before", () => {
    const config = readConfig({
      ...file("device: pump-1\ncontroller:\n  host: a.test\n  port: 1\n  bootstrapPort: 2\n"),
      env: { FLEETCERT_AGENT_CONTROLLER_HOST: "b.test", FLEETCERT_AGENT_CONTROLLER_PORT: "3", PATH: "/bin" },
      flags: { controller: { host: "c.test", port: undefined } },
    });
    expect(config).toMatchObject({ device: "pump-1", controller: { host: "c.test", port: 3, bootstrapPort: 2 } });
  });

  it("names environment variables after the settings", () => {
    expect(variableOf(["controller", "bootstrapPort"])).toBe("FLEETCERT_AGENT_CONTROLLER_BOOTSTRAP_PORT");
  });

  it.each([
    ["an unknown setting", "controler: {}", "controler"],
    ["an unknown setting inside", "keys: { pin: 1234 }", "pin"],
    ["a port out of range", "controller: { port: 70000 }", "port"],
    ["a duration without unit", "pace: { retryCap: '15' }", "retryCap"],
    ["a device that is no id", "device: Pump 1", "Pump 1"],
    ["a fingerprint that is none", "rootFingerprint: abc", "rootFingerprint"],
    ["a list", "- a", "no list of settings"],
    ["a setting given twice", "device: a\ndevice: b", "config.yaml"],
    ["an alias bomb", "device: &a x\nclaimFile: *a", "aliases"],
  ])("refuses %s", (_, text, about) => {
    expect(() => readConfig(file(text))).toThrow(invalid(about));
  });

  it("refuses a variable that names no setting, but not the one for the directory", () => {
    expect(() => readConfig({ env: { FLEETCERT_AGENT_HOST: "x" } })).toThrow(invalid("FLEETCERT_AGENT_HOST"));
    expect(readConfig({ env: { FLEETCERT_AGENT_DATA: "/x" } })).toEqual(readConfig({}));
  });

  it("is written so that it reads back, with only what differs from the defaults", () => {
    const config = readConfig({
      flags: { device: "pump-1", controller: { host: "a.test" }, keys: { provider: "pkcs11" } },
    });
    const text = formatConfig(config);
    expect(readConfig(file(text))).toEqual(config);
    expect(text).not.toContain("8883");
  });

  it("ends in a configuration or a typed error for any text", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        try {
          readConfig(file(text));
        } catch (error) {
          expect(error).toMatchObject({ code: "config-invalid" });
        }
      }),
    );
  });
});
