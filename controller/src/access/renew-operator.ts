import { FleetError } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { CertificateRecord, OperatorRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { Actor, OperatorOperations } from "./operations.ts";
import type { CommandedDuties } from "./operations-of-duties.ts";
import { operatorCertificate } from "./operator-certificate.ts";
import { operatorView } from "./views.ts";

/**
 * Certifies a new key of an operator under the same name, person and role; the certificate of before ends with the same act.
 * Throws `not-found`, and `conflict` for one that is disabled: access that was taken away comes back by a new name only.
 */
export async function renewOperator(
  { store, clock, issuance, authority }: CommandedDuties,
  request: { readonly actor: Actor; readonly name: string; readonly csr: Uint8Array },
): ReturnType<OperatorOperations["renew"]> {
  const { actor, name } = request;
  const order = operatorCertificate(request);
  await store.transaction((tx) => requireEnabled(tx, name));
  const certificate = await issuance.toController({
    ...order,
    async commit(tx, { sha256: certificateSha256, notAfter }) {
      const at = clock.now();
      const operator = await requireEnabled(tx, name);
      await endCertificate(tx, await tx.certificates.find(operator.certificateSha256), at);
      // Whoever renews for another has the new key: the two-person bound has to see that (I14).
      const isOwn = actor.name.split("#")[0] === `operator:${name}`;
      const createdBy = isOwn ? operator.createdBy : actor.name;
      await tx.operators.put({ ...operator, certificateSha256, notAfter, createdBy });
      await appendAudit(tx, {
        ...{ at, actor: actor.name, action: "operator.renewed", target: name, outcome: "success" },
        details: { certificate: certificateSha256, before: operator.certificateSha256 },
      });
    },
  });
  const operator = await store.transaction((tx) => requireEnabled(tx, name));
  return { operator: operatorView(operator), certificate: certificate.der, chain: [authority.certificate] };
}

async function requireEnabled(tx: Transaction, name: string): Promise<OperatorRecord> {
  const found = await tx.operators.find(name);
  if (found === undefined) {
    throw new FleetError("not-found", `there is no operator ${name}`, { hint: "fleetcert operator list" });
  }
  if (found.disabledAt === undefined) return found;
  throw new FleetError("conflict", `operator ${name} is disabled`, { hint: "create one with another name" });
}

/** It waits for the next list; the API refuses it at once. */
async function endCertificate(tx: Transaction, old: CertificateRecord | undefined, now: number): Promise<void> {
  if (old === undefined || old.revokedAt !== undefined) return;
  const { issuer, serial, shard, index, notAfter } = old;
  await tx.certificates.put({ ...old, state: "revoked", revokedAt: now, revocationReason: "superseded" });
  await tx.revocations.put({ issuer, serial, shard, index, notAfter, reason: "superseded", revokedAt: now, epoch: 0 });
}
