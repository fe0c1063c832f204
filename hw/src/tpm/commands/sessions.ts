/** Session commands (Part 3 §11, §23). */
import {
  maxNameBytes,
  type PcrSelection,
  tpmAlgorithms,
  tpmJoin,
  tpmSized,
  tpmU8,
  tpmU16,
  tpmU32,
} from "@fleetcert/shared";
import { noAuthorization } from "../authorization.ts";
import type { TpmConnection } from "../tpm-connection.ts";
import { nullHierarchy, permanentObject, type TpmObject } from "../tpm-object.ts";
import { encodePcrSelections } from "./attestation.ts";

/** What TPM2_StartAuthSession gives. */
export interface StartedSession {
  readonly handle: number;
  readonly nonceTpm: Uint8Array;
}

/** TPM2_StartAuthSession: an HMAC session whose key is shared through a salt, or a policy session. */
export function startSession(
  tpm: TpmConnection,
  request: {
    readonly kind: "hmac" | "policy";
    readonly hash: "sha256" | "sha384";
    readonly nonce: Uint8Array;
    readonly salt?: { readonly key: TpmObject; readonly encrypted: Uint8Array };
  },
): StartedSession {
  const { kind, hash, nonce, salt } = request;
  const symmetric =
    kind === "hmac"
      ? tpmJoin(tpmU16(tpmAlgorithms.aes), tpmU16(128), tpmU16(tpmAlgorithms.cfb))
      : tpmU16(tpmAlgorithms.null);
  return tpm.run(
    {
      name: "TPM2_StartAuthSession",
      code: 0x176,
      handles: [salt?.key ?? nullHierarchy, nullHierarchy],
      parameters: tpmJoin(
        tpmSized(nonce),
        tpmSized(salt?.encrypted ?? new Uint8Array(0)),
        tpmU8(kind === "hmac" ? 0 : 1),
        symmetric,
        tpmU16(tpmAlgorithms[hash]),
      ),
      givesHandle: true,
    },
    ({ handle, parameters }) => ({ handle, nonceTpm: parameters.sized(64).slice() }),
  );
}

/** TPM2_PolicySecret with a hierarchy that has no authorisation value. */
export function policySecret(tpm: TpmConnection, session: number, hierarchy: TpmObject): void {
  tpm.run(
    {
      name: "TPM2_PolicySecret",
      code: 0x151,
      handles: [hierarchy, permanentObject(session)],
      authorizations: [noAuthorization],
      parameters: tpmJoin(tpmSized(), tpmSized(), tpmSized(), tpmU32(0)),
    },
    ({ parameters }) => {
      parameters.sized(maxNameBytes);
      parameters.u16();
      parameters.u32();
      parameters.sized(64);
    },
  );
}

/** TPM2_PolicyOR: one of the branches, which the session has satisfied already, stands for the whole. */
export function policyOr(tpm: TpmConnection, session: number, branches: readonly Uint8Array[]): void {
  tpm.run(
    {
      name: "TPM2_PolicyOR",
      code: 0x171,
      handles: [permanentObject(session)],
      parameters: tpmJoin(tpmU32(branches.length), ...branches.map((digest) => tpmSized(digest))),
    },
    () => undefined,
  );
}

/** TPM2_PolicyPCR: the PCRs as they are now. */
export function policyPcr(tpm: TpmConnection, session: number, pcrs: readonly PcrSelection[]): void {
  tpm.run(
    {
      name: "TPM2_PolicyPCR",
      code: 0x17f,
      handles: [permanentObject(session)],
      parameters: tpmJoin(tpmSized(), encodePcrSelections(pcrs)),
    },
    () => undefined,
  );
}
