import { FleetError } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import { createApiKey, revokeApiKey } from "./api-keys.ts";
import { filteredPage } from "./filtered-page.ts";
import type { OperatorOperations } from "./operations.ts";
import type { CommandedDuties } from "./operations-of-duties.ts";
import { operatorCertificate } from "./operator-certificate.ts";
import { renewOperator } from "./renew-operator.ts";
import { apiKeyView, operatorView } from "./views.ts";

/** Who may use the API: operators with a certificate, and the API keys that stand for them. */
export function operatorOperations(duties: CommandedDuties): OperatorOperations {
  const { store, clock, issuance, authority } = duties;
  return {
    async create(actor, { name, person = name, role, csr }) {
      const order = operatorCertificate({ actor, name, csr });
      await store.transaction(async (tx) => {
        if ((await tx.operators.find(name)) !== undefined) {
          throw new FleetError("already-exists", `there is an operator ${name}`, {
            hint: `renew its certificate with fleetcert operator renew ${name}, or take another name`,
          });
        }
      });
      const certificate = await issuance.toController({
        ...order,
        async commit(tx, { sha256: certificateSha256, notAfter }) {
          const at = clock.now();
          const rest = { certificateSha256, notAfter, createdAt: at, createdBy: actor.name, disabledAt: undefined };
          await tx.operators.put({ name, person, role, ...rest });
          await appendAudit(tx, {
            ...{ at, actor: actor.name, action: "operator.created", target: name, outcome: "success" },
            details: { role, person, certificate: certificateSha256 },
          });
        },
      });
      const operator = await store.transaction((tx) => tx.operators.find(name));
      if (operator === undefined) throw new FleetError("internal", `operator ${name} was not kept`);
      return { operator: operatorView(operator), certificate: certificate.der, chain: [authority.certificate] };
    },
    renew: (actor, request) => renewOperator(duties, { actor, ...request }),
    list: (_actor, request) =>
      filteredPage(store, request, {
        read: (tx, page) => tx.operators.list(page),
        keyOf: ({ name }) => name,
        view: async (_tx, record) => operatorView(record),
        facts: ({ name, person, role }) => ({ name, person, role }),
        fields: ["name", "person", "role"],
      }),
    disable: (actor, name) =>
      store.transaction(async (tx) => {
        const found = await tx.operators.find(name);
        if (found === undefined)
          throw new FleetError("not-found", `there is no operator ${name}`, { hint: "fleetcert operator list" });
        if (found.disabledAt !== undefined) return operatorView(found);
        const disabled = { ...found, disabledAt: clock.now() };
        await tx.operators.put(disabled);
        const event = { actor: actor.name, action: "operator.disabled", target: name, outcome: "success" } as const;
        await appendAudit(tx, { at: clock.now(), ...event });
        return operatorView(disabled);
      }),
    createKey: (actor, request) => createApiKey(duties, { actor: actor.name, ...request }),
    listKeys: (_actor, request) =>
      filteredPage(store, request, {
        read: (tx, page) => tx.apiKeys.list(page),
        keyOf: ({ id }) => id,
        view: async (_tx, record) => apiKeyView(record),
        facts: ({ id, operator }) => ({ id, operator }),
        fields: ["id", "operator"],
      }),
    revokeKey: (actor, id) => revokeApiKey(duties, { actor: actor.name, id }),
  };
}
