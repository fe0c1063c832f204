import { type AlternativeName, FleetError, isHostName, parseIpAddress } from "@fleetcert/shared";

/** What the registry knows that a template may name. */
export interface NameFacts {
  readonly fleet: string;
  readonly device: string;
  readonly slot: string;
  readonly site: string;
  readonly environment: string;
}

/**
 * The names of a certificate: for the identity the device's URI alone; for other slots a URI of their own, which is no identity,
 * and what the profile's templates give. Throws `policy-violation` when a template does not give a name for this device.
 */
export function alternativeNames(templates: readonly string[], facts: NameFacts): AlternativeName[] {
  const device = `urn:fleetcert:${facts.fleet}:device:${facts.device}`;
  if (facts.slot === "identity") return [{ uri: device }];
  return [{ uri: `${device}:slot:${facts.slot}` }, ...templates.map((template) => nameOf(template, facts))];
}

function nameOf(template: string, facts: NameFacts): AlternativeName {
  const text = template.replaceAll(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(facts, name) ? facts[name as keyof NameFacts].toLowerCase() : whole,
  );
  if (parseIpAddress(text) !== undefined) return { ip: text };
  if (isHostName(text)) return { dns: text };
  throw new FleetError(
    "policy-violation",
    `the template "${template}" gives "${text.slice(0, 80)}", which is no name`,
    {
      hint: `look at the device's attributes: fleetcert device show ${facts.device}`,
    },
  );
}
