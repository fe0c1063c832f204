import {
  type ClaimFacts,
  highestGeneration,
  type IssuanceFacts,
  maxReplacements,
  pendingOf,
  provenGeneration,
  type Rule,
  supersededBy,
} from "./policy.ts";

/** The rules of every issuance to a device, the gravest first. */
export const issuanceRules: readonly Rule<IssuanceFacts>[] = [
  {
    name: "device-not-retired",
    violated: ({ device, deviceState, stateReason }) =>
      deviceState === "retired"
        ? { code: "device-retired", message: `device ${device} is retired${because(stateReason)}` }
        : undefined,
  },
  {
    name: "device-not-suspended",
    violated: ({ device, deviceState, stateReason }) =>
      deviceState === "suspended"
        ? {
            code: "device-suspended",
            message: `device ${device} is suspended${because(stateReason)}`,
            hint: `a person who may approve it runs: fleetcert device reinstate ${device}`,
          }
        : undefined,
  },
  {
    // I7: the block keys on every identifier, so that a revoked device does not come back under another name.
    name: "no-blocked-twin",
    violated: ({ device, blockedTwins: [twin] }) =>
      twin === undefined
        ? undefined
        : {
            code: "device-suspended",
            message: `device ${device} shares its key or token with ${twin.id}, which is ${twin.state}`,
            hint: `reinstate ${twin.id}, or give the device a new token`,
          },
  },
  {
    name: "key-is-new",
    violated: ({ device, certificatesOfKey: [known] }) =>
      known === undefined
        ? undefined
        : {
            code: "policy-violation",
            message: `device ${device} asks with the key of ${known.device || "the controller"}, ${known.slot} generation ${known.generation}`,
            hint: "every generation takes a new key",
          },
  },
  {
    name: "slot-known",
    violated: ({ slot, profileName }) =>
      slot === "identity" || profileName !== ""
        ? undefined
        : {
            code: "policy-violation",
            message: `no profile is assigned to slot "${slot}" of this device`,
            hint: "name it under slots of the profile of its identity, in profiles.yaml",
          },
  },
  {
    name: "profile-known",
    violated: ({ profile, profileName }) =>
      profile === undefined
        ? {
            code: "policy-violation",
            message: `there is no profile "${profileName}"`,
            hint: "add it to profiles.yaml and start the controller again",
          }
        : undefined,
  },
  {
    name: "key-algorithm",
    violated: ({ profile, keyAlgorithm }) =>
      profile === undefined || profile.keyAlgorithms.includes(keyAlgorithm)
        ? undefined
        : {
            code: "policy-violation",
            message: `profile ${profile.name} does not take ${keyAlgorithm} keys`,
            hint: `use ${profile.keyAlgorithms.join(" or ")}`,
          },
  },
  {
    name: "key-protection",
    violated: ({ profile, protection }) =>
      profile === undefined || profile.protections.includes(protection)
        ? undefined
        : {
            code: profile.protections.every((one) => one === "attested") ? "attestation-required" : "policy-violation",
            message: `profile ${profile.name} does not take keys with protection ${protection}`,
            hint: `keep the key where its protection is ${profile.protections.join(" or ")}`,
          },
  },
  {
    name: "attestation-kept",
    violated: ({ device, slot, profile, protection, slotCertificates }) => {
      const proven = slotCertificates.find(({ provenAt }) => provenAt !== undefined);
      if (proven?.protection !== "attested" || protection === "attested") return undefined;
      return profile?.mayLoseAttestation === true
        ? undefined
        : {
            code: "attestation-required",
            message: `the key of ${slot} of device ${device} was attested, the new one has protection ${protection}`,
            hint: "renew with the TPM the device enrolled with, or let the profile lose attestation",
          };
    },
  },
  {
    name: "generation-follows",
    violated: ({ slot, generation, slotCertificates, isReenrolment }) => {
      // Who enrols anew may know of nothing: no generation is ever used again.
      const next = (isReenrolment ? highestGeneration : provenGeneration)(slotCertificates) + 1;
      if (generation === next) return undefined;
      return {
        code: "generation-conflict",
        message: `generation ${generation} of ${slot} was asked for, the next is ${next}`,
      };
    },
  },
  {
    name: "replacements-bounded",
    violated: ({ slot, generation, slotCertificates }) => {
      const made = slotCertificates.filter((one) => one.generation === generation).length;
      return made > maxReplacements
        ? {
            code: "generation-conflict",
            message: `generation ${generation} of ${slot} was certified for ${made} keys already, limit ${maxReplacements + 1}`,
            hint: "look at the device: it loses its keys between request and answer",
          }
        : undefined;
    },
  },
  {
    // I5: held and suspended certificates count.
    name: "two-certificates-a-slot",
    violated: ({ slot, generation, slotCertificates, now }) => {
      const ending = new Set([
        ...pendingOf(slotCertificates, generation),
        ...supersededBy(slotCertificates, { generation, now }),
      ]);
      const staying = slotCertificates.filter(
        (one) => one.revokedAt === undefined && one.notAfter >= now && !ending.has(one),
      );
      return staying.length > 1
        ? {
            code: "generation-conflict",
            message: `slot ${slot} has ${staying.length} usable certificates already, limit 2`,
          }
        : undefined;
    },
  },
  {
    name: "issuer-outlives",
    violated: ({ issuerNotAfter, now, profile }) =>
      profile !== undefined && issuerNotAfter < now + profile.validity / 2
        ? {
            code: "policy-violation",
            message: `the issuing CA ends at ${new Date(issuerNotAfter).toISOString()}, before half of the certificate's life`,
            hint: "make a new issuing CA",
          }
        : undefined,
  },
];

/** The rules of an enrolment by claim; those of every issuance come after them. */
export const claimRules: readonly Rule<ClaimFacts>[] = [
  {
    name: "claim-known",
    violated: ({ claim }) => (claim === undefined ? refuseClaim("the claim is unknown") : undefined),
  },
  {
    name: "claim-not-revoked",
    violated: ({ claim }) => (claim?.revokedAt === undefined ? undefined : refuseClaim(`claim ${claim.id} is revoked`)),
  },
  {
    // Names the wire uses for the controller's side.
    name: "device-id-free",
    violated: ({ device }) =>
      device === "controller" || device === "fleet" || device.startsWith("boot-")
        ? { code: "request-invalid", message: `"${device}" cannot be the id of a device` }
        : undefined,
  },
  {
    name: "device-is-new",
    violated: ({ device, claim, deviceCertificates }) =>
      deviceCertificates.length === 0 || claim?.reenrols === device
        ? undefined
        : {
            code: "device-exists",
            message: `device ${device} has or had a credential`,
            hint: `a claim never enrols it again; a person may permit it: fleetcert device reenrol ${device}`,
          },
  },
  {
    name: "claim-covers-device",
    violated: ({ claim, device }) =>
      claim === undefined || claim.allowedDevices.length === 0 || claim.allowedDevices.includes(device)
        ? undefined
        : refuseClaim(`claim ${claim.id} does not cover device ${device}`),
  },
  {
    name: "claim-not-expired",
    violated: ({ claim, now }) =>
      claim === undefined || now < claim.expiresAt
        ? undefined
        : refuseClaim(`claim ${claim.id} expired at ${new Date(claim.expiresAt).toISOString()}`),
  },
  {
    name: "claim-not-spent",
    violated: ({ claim }) =>
      claim === undefined || claim.uses < claim.maxUses
        ? undefined
        : refuseClaim(`claim ${claim.id} is spent: ${claim.uses} of ${claim.maxUses} uses`),
  },
  {
    name: "generation-to-begin-with",
    violated: ({ slot, generation, claim, deviceCertificates }) => {
      const isAnew = claim !== undefined && claim.reenrols !== "";
      const identities = deviceCertificates.filter((one) => one.slot === "identity");
      const first = isAnew ? highestGeneration(identities) + 1 : 1;
      if (slot === "identity" && generation === first) return undefined;
      const message = `an enrolment is for identity generation ${first}, not ${slot} ${generation}`;
      return isAnew
        ? { code: "generation-conflict", message, hint: "make a new permission: fleetcert device reenrol" }
        : { code: "request-invalid", message };
    },
  },
];

const refuseClaim = (message: string) => ({
  code: "claim-invalid" as const,
  message,
  hint: "make a new one: fleetcert claim create",
});

const because = (reason: string): string => (reason === "" ? "" : ` (${reason})`);
