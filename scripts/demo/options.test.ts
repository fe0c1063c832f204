import { describe, expect, it } from "vitest";
import { demoUsage, parseOptions } from "./options.ts";

describe("the arguments of npm start", () => {
  it("plays the main job when none is named", () => {
    expect(parseOptions([])).toMatchObject({ scenario: "main", devices: 25, headless: false });
  });

  it.each(["", "nonsense", "constructor", "__proto__"])("refuses --scenario %j and says which there are", (name) => {
    expect(() => parseOptions([`--scenario=${name}`])).toThrow(/is not one of main/);
  });

  it.each(["auto", "pkcs11", "tpm", "mixed", "software"])("takes --keys %s", (keys) => {
    expect(parseOptions(["--keys", keys, "--devices", "50"]).keys).toBe(keys);
  });

  it.each([
    ["--keys", "tpm"],
    ["--keys", "mixed"],
  ])("emulates no more than 50 TPMs for %s %s", (...args) => {
    expect(() => parseOptions([...args, "--devices", "51"])).toThrow(/at most 50/);
  });

  it("refuses --keys of no kind it knows", () => {
    expect(parseOptions([]).broker).toBe("embedded");
    expect(parseOptions(["--broker", "mosquitto"]).broker).toBe("mosquitto");
    expect(() => parseOptions(["--broker", "pigeons"])).toThrow(/not one of embedded, mosquitto/);
    expect(() => parseOptions(["--keys", "paper"])).toThrow(/not one of auto, pkcs11, tpm, mixed, software/);
  });

  it("plays only the scenes that are named, and says which there are when it knows one of them not", () => {
    const rotation = ["--scenario", "rotation"];
    expect(parseOptions(rotation).only).toEqual([]);
    expect(parseOptions([...rotation, "--only", "waves,courier"]).only).toEqual(["waves", "courier"]);
    expect(() => parseOptions([...rotation, "--only", "waves,dancing"])).toThrow(/no scene of rotation: services, /);
  });

  it("names every scenario in its help", () => {
    expect(demoUsage).toContain("--scenario S   what is played: main");
  });
});
