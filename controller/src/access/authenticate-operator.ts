import { type Clock, FleetError, isFleetError, type ValidatedPath, validatePath } from "@fleetcert/shared";
import type { Store } from "../store-port.ts";
import { findByApiKey } from "./api-keys.ts";
import type { Actor } from "./operations.ts";

/**
 * Says which operator an API key stands for; the actor names both, so that the audit and the two-person bound see who made
 * the key. Throws `unauthenticated`.
 */
export async function authenticateApiKey(
  parts: { readonly store: Store; readonly clock: Clock },
  text: string,
): Promise<Actor> {
  const { operator, id } = await findByApiKey(parts, text);
  return { name: `operator:${operator.name}#${id}`, role: operator.role };
}

/**
 * Says which operator a TLS client is, from its raw DER chain: our validator at the controller's time, then the register
 * of operators. Throws `unauthenticated` with the reason.
 */
export async function authenticateOperator(
  parts: {
    readonly store: Store;
    readonly clock: Clock;
    readonly roots: readonly Uint8Array[];
    readonly issuers: readonly Uint8Array[];
  },
  chain: readonly Uint8Array[],
): Promise<Actor> {
  const { leaf } = validate(parts, chain);
  const found = await parts.store.transaction(async (tx) => ({
    operator: await tx.operators.findByCertificate(leaf.sha256),
    certificate: await tx.certificates.find(leaf.sha256),
  }));
  const { operator, certificate } = found;
  if (operator === undefined) throw refused("the certificate is not an operator's");
  if (operator.disabledAt !== undefined) throw refused(`operator ${operator.name} is disabled`);
  if (certificate?.state === "revoked") throw refused(`the certificate of operator ${operator.name} is revoked`);
  return { name: `operator:${operator.name}`, role: operator.role };
}

function validate(
  { clock, roots, issuers }: Parameters<typeof authenticateOperator>[0],
  [leaf, ...intermediates]: readonly Uint8Array[],
): ValidatedPath {
  if (leaf === undefined) throw refused("no client certificate was presented");
  try {
    return validatePath({
      leaf,
      intermediates: [...intermediates, ...issuers],
      roots,
      at: clock.now(),
      purpose: "clientAuth",
    });
  } catch (cause) {
    if (!isFleetError(cause)) throw cause;
    throw new FleetError("unauthenticated", `the client certificate does not hold: ${cause.message}`, { cause });
  }
}

function refused(message: string): FleetError {
  return new FleetError("unauthenticated", message, {
    hint: "use an operator certificate of this controller: fleetcert operator create NAME --role ROLE",
  });
}
