/** Hierarchy commands (Part 3 §24). */
import { type Secret, tpmSized } from "@fleetcert/shared";
import type { Authorization } from "../authorization.ts";
import type { TpmConnection } from "../tpm-connection.ts";
import type { TpmObject } from "../tpm-object.ts";

/** TPM2_HierarchyChangeAuth: gives a hierarchy an authorisation value. Use a session that encrypts the command. */
export function changeHierarchyAuth(
  tpm: TpmConnection,
  request: { readonly hierarchy: TpmObject; readonly authorization: Authorization; readonly auth: Secret },
): void {
  tpm.run(
    {
      name: "TPM2_HierarchyChangeAuth",
      code: 0x129,
      handles: [request.hierarchy],
      authorizations: [request.authorization],
      parameters: tpmSized(Buffer.from(request.auth.reveal(), "utf8")),
    },
    () => undefined,
  );
}
