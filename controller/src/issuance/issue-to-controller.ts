import { type AlternativeName, FleetError, spkiSha256 } from "@fleetcert/shared";
import type { CertificateRecord } from "../records.ts";
import type { ControllerOrder, IssuanceContext } from "./issuance.ts";
import { validityOf } from "./issue-to-device.ts";
import { signEndCertificate } from "./sign-end-certificate.ts";

/** Issues a certificate of the controller itself (a listener) or of an operator; it belongs to no device. */
export async function issueToController(context: IssuanceContext, order: ControllerOrder): Promise<CertificateRecord> {
  const { commonName, profile } = order;
  return await signEndCertificate(context, {
    actor: order.actor,
    target: commonName,
    async decide(tx) {
      const key = spkiSha256(order.spki);
      if ((await tx.certificates.listByKey(key)).length > 0) {
        throw new FleetError("policy-violation", `the key of ${commonName} was certified before`, {
          hint: "every certificate takes a new key",
        });
      }
      const now = context.clockGuard.now();
      const issuerNotAfter = context.issuer.certificate.notAfter;
      return {
        certificate: {
          commonName,
          organization: context.fleet,
          alternativeNames: alternativeNames(context.fleet, order),
          extendedKeyUsage: [order.usage],
          ...validityOf(order, { now, issuerNotAfter }),
          spki: order.spki,
          isRsa: order.keyAlgorithm.startsWith("RSA"),
        },
        record: {
          device: "",
          slot: "",
          generation: 0,
          profile,
          protection: "software",
          keyAlgorithm: order.keyAlgorithm,
          spkiSha256: key,
          state: "proven",
          provenAt: now,
          provenVia: "",
          claimId: "",
        },
      };
    },
    commit: (tx, certificate) => order.commit(tx, certificate),
    abandon: async () => undefined,
  });
}

function alternativeNames(fleet: string, { hosts, profile, commonName }: ControllerOrder): AlternativeName[] {
  if (hosts.length === 0) return [{ uri: `urn:fleetcert:${fleet}:${profile}:${commonName}` }];
  return hosts.map((host) => (isIpAddress(host) ? { ip: host } : { dns: host }));
}

const isIpAddress = (host: string): boolean => host.includes(":") || /^\d{1,3}(\.\d{1,3}){3}$/.test(host);
