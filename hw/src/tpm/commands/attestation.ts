/** Attestation commands (Part 3 §12.5, §18): what a TPM states of its keys and PCRs. */
import {
  type PcrSelection,
  readTpmSignature,
  type SignedStatement,
  type TpmReader,
  tpmAlgorithms,
  tpmJoin,
  tpmSized,
  tpmU8,
  tpmU16,
  tpmU32,
} from "@fleetcert/shared";
import { type Authorization, noAuthorization } from "../authorization.ts";
import type { TpmConnection } from "../tpm-connection.ts";
import type { TpmObject } from "../tpm-object.ts";

/** TPM2_Certify: the attestation key states that another key is in this TPM, and which one. */
export function certify(
  tpm: TpmConnection,
  request: { readonly key: TpmObject; readonly attestationKey: TpmObject; readonly qualifyingData: Uint8Array },
): SignedStatement {
  return tpm.run(
    {
      name: "TPM2_Certify",
      code: 0x148,
      handles: [request.key, request.attestationKey],
      authorizations: [noAuthorization, noAuthorization],
      parameters: tpmJoin(tpmSized(request.qualifyingData), tpmU16(tpmAlgorithms.null)),
    },
    ({ parameters }) => readStatement(parameters),
  );
}

/** TPM2_Quote: the attestation key states the digest of PCRs. */
export function quote(
  tpm: TpmConnection,
  request: {
    readonly attestationKey: TpmObject;
    readonly qualifyingData: Uint8Array;
    readonly pcrs: readonly PcrSelection[];
  },
): SignedStatement {
  return tpm.run(
    {
      name: "TPM2_Quote",
      code: 0x158,
      handles: [request.attestationKey],
      authorizations: [noAuthorization],
      parameters: tpmJoin(
        tpmSized(request.qualifyingData),
        tpmU16(tpmAlgorithms.null),
        encodePcrSelections(request.pcrs),
      ),
    },
    ({ parameters }) => readStatement(parameters),
  );
}

/** TPM2_ActivateCredential: reads a challenge that was made for this endorsement key and the name of the other key. */
export function activateCredential(
  tpm: TpmConnection,
  request: {
    readonly key: TpmObject;
    readonly keyAuthorization: Authorization;
    readonly endorsementKey: TpmObject;
    readonly endorsementAuthorization: Authorization;
    readonly credentialBlob: Uint8Array;
    readonly secret: Uint8Array;
  },
): Uint8Array {
  return tpm.run(
    {
      name: "TPM2_ActivateCredential",
      code: 0x147,
      handles: [request.key, request.endorsementKey],
      authorizations: [request.keyAuthorization, request.endorsementAuthorization],
      parameters: tpmJoin(tpmSized(request.credentialBlob), tpmSized(request.secret)),
    },
    ({ parameters }) => parameters.sized(64).slice(),
  );
}

/** TPML_PCR_SELECTION. */
export function encodePcrSelections(pcrs: readonly PcrSelection[]): Uint8Array {
  const banks = pcrs.map(({ hash, indices }) => {
    const bits = new Uint8Array(3);
    for (const index of indices) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
    return tpmJoin(tpmU16(tpmAlgorithms[hash]), tpmU8(bits.length), bits);
  });
  return tpmJoin(tpmU32(pcrs.length), ...banks);
}

/** TPM2B_ATTEST and TPMT_SIGNATURE; the signature is handed on as the bytes it came in, after it was read. */
function readStatement(parameters: TpmReader): SignedStatement {
  const attest = parameters.sized(2048).slice();
  const start = parameters.position;
  readTpmSignature(parameters);
  return { attest, signature: parameters.bytes.slice(start, parameters.position) };
}
