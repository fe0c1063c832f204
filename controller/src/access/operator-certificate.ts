import { parseCsr } from "@fleetcert/shared";
import type { ControllerOrder } from "../issuance/issuance.ts";
import type { Actor } from "./operations.ts";

/**
 * What an operator's certificate says, for the key of a CSR; the name is the caller's word, not that of the CSR. Throws
 * `csr-invalid`, `csr-proof-invalid`, `key-weak`.
 */
export function operatorCertificate({
  actor,
  name,
  csr,
}: {
  readonly actor: Actor;
  readonly name: string;
  readonly csr: Uint8Array;
}): Omit<ControllerOrder, "commit"> {
  const { spki, keyAlgorithm } = parseCsr(csr);
  return {
    actor: actor.name,
    commonName: name,
    usage: "clientAuth",
    hosts: [],
    ...{ spki, keyAlgorithm },
    validity: 365 * 24 * hour,
    backdate: hour,
    profile: "operator",
  };
}

const hour = 3_600_000;
