/** Signing commands (Part 3 §20). */
import {
  readTpmSignature,
  type TpmSignature,
  type TpmSignatureScheme,
  tpmAlgorithms,
  tpmJoin,
  tpmSized,
  tpmU16,
  tpmU32,
} from "@fleetcert/shared";
import { type Authorization, noAuthorization } from "../authorization.ts";
import type { TpmConnection } from "../tpm-connection.ts";
import { nullHierarchy, type TpmObject } from "../tpm-object.ts";

/** TPM2_Sign: the signature of a digest by an unrestricted key. */
export function signDigest(
  tpm: TpmConnection,
  {
    key,
    digest,
    scheme,
    authorization = noAuthorization,
  }: {
    readonly key: TpmObject;
    readonly digest: Uint8Array;
    readonly scheme: TpmSignatureScheme;
    readonly authorization?: Authorization;
  },
): TpmSignature {
  // A ticket would show that the TPM made the digest, which only restricted keys ask for (Part 2 §10.7.4).
  const noTicket = tpmJoin(tpmU16(0x8024), tpmU32(nullHierarchy.handle), tpmSized());
  return tpm.run(
    {
      name: "TPM2_Sign",
      code: 0x15d,
      handles: [key],
      authorizations: [authorization],
      parameters: tpmJoin(
        tpmSized(digest),
        tpmU16(tpmAlgorithms[scheme.name]),
        tpmU16(tpmAlgorithms[scheme.hash]),
        noTicket,
      ),
    },
    ({ parameters }) => readTpmSignature(parameters),
  );
}
