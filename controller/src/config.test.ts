import type { FleetError } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { durationOf, formatConfig, parseConfig, parseProfiles } from "./config.ts";

describe("the configuration", () => {
  it("is complete from the fleet's name alone", () => {
    const config = parseConfig("fleet: plant-7");
    expect(config.listeners.operational).toEqual({ host: "0.0.0.0", port: 8883 });
    expect(durationOf(config.revocation.crlNextUpdate)).toBe(30 * 86_400_000);
  });

  it("reads back what init writes", () => {
    const text = formatConfig({ fleet: "plant-7", hosts: ["fc.example"], listeners: { http: { port: 0 } } });
    expect(parseConfig(text)).toMatchObject({
      fleet: "plant-7",
      hosts: ["fc.example"],
      listeners: { http: { port: 0 } },
    });
  });

  it.each([
    ["an unknown key", "fleet: a\nlisteners: {http: {prt: 1}}", "listeners.http.prt: there is no such setting"],
    ["a wrong type", "fleet: a\nbounds: {revokeAlone: many}", "bounds.revokeAlone"],
    ["a duration that is none", "fleet: a\ngraceAfterProof: 1h1d", "graceAfterProof"],
    ["a name that is none", "fleet: A B", "no name of a fleet"],
    ["a missing fleet", "{}", "fleet"],
    ["a key twice", "fleet: a\nfleet: b", "unique"],
    ["text that is no YAML", "fleet: [", ""],
    ["a list", "- fleet", ""],
    ["an alias of nothing", "fleet: *a", ""],
  ])("names %s", (_, text, part) => {
    expect(() => parseConfig(text)).toThrow(
      expect.objectContaining({ code: "config-invalid", message: expect.stringContaining(part) }),
    );
  });

  it("answers any text with a configuration or one typed error", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."fleet: *&a[]{}\n-?|>!%@`'\"0") })),
        (text) => {
          try {
            expect(parseConfig(text).fleet).not.toBe("");
          } catch (error) {
            expect((error as FleetError).code).toBe("config-invalid");
          }
        },
      ),
    );
  });
});

describe("profiles", () => {
  it("always hold the device profile", () => {
    expect(parseProfiles("{}").get("device")).toMatchObject({ keyAlgorithms: ["P-256"], validity: 90 * 86_400_000 });
    expect([...parseProfiles("profiles: {web: {extendedKeyUsage: [serverAuth]}}").keys()]).toEqual(["device", "web"]);
  });

  it.each([
    "profiles: {device: {validity: 5s}}",
    "profiles: {device: {keyAlgorithms: [DSA]}}",
    "profiles: {UPPER: {}}",
    "profile: {}",
  ])("refuse %s", (text) => {
    expect(() => parseProfiles(text)).toThrow(expect.objectContaining({ code: "config-invalid" }));
  });
});
