import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alternativeNames } from "./alternative-names.ts";

const facts = { fleet: "plant", device: "edge-1", slot: "web", site: "Berlin", environment: "prod" };

describe("the names of a certificate", () => {
  it("are the device's own for its identity, whatever templates there are", () => {
    const names = alternativeNames(["evil.example"], { ...facts, slot: "identity" });
    expect(names).toEqual([{ uri: "urn:fleetcert:plant:device:edge-1" }]);
  });

  it("come from the registry by the profile's templates for a service, which is no identity", () => {
    expect(alternativeNames(["{device}.{site}.example", "10.0.0.1", "{slot}-{environment}.{fleet}"], facts)).toEqual([
      { uri: "urn:fleetcert:plant:device:edge-1:slot:web" },
      { dns: "edge-1.berlin.example" },
      { ip: "10.0.0.1" },
      { dns: "web-prod.plant" },
    ]);
  });

  it.each(["", "main street 1", "a\u0000b", "*", ".."])("refuses a site that makes no name: %j", (site) => {
    const make = () => alternativeNames(["{device}.{site}.example"], { ...facts, site });
    expect(make).toThrow(expect.objectContaining({ code: "policy-violation" }));
  });

  it("never hold what is neither a host name nor an address", () => {
    const name = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i;
    fc.assert(
      fc.property(fc.string(), fc.string(), (site, template) => {
        try {
          for (const one of alternativeNames([template, "{site}"], { ...facts, site })) {
            if ("dns" in one) expect(one.dns).toMatch(name);
          }
        } catch (error) {
          expect(error).toMatchObject({ code: "policy-violation" });
        }
      }),
    );
  });
});
