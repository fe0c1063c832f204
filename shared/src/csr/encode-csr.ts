import { contextTag } from "../asn1/der-reader.ts";
import { derElement, derInteger, derSequence } from "../asn1/der-writer.ts";
import { encodeName } from "../certificate/distinguished-name.ts";
import { assembleSigned } from "../certificate/encode-certificate.ts";
import type { Signer } from "../key/key.ts";

/** DER PKCS#10 request (RFC 2986) for the signer's key; it names the subject and proves possession, nothing more. */
export async function encodeCsr(request: {
  readonly signer: Signer;
  readonly commonName: string;
}): Promise<Uint8Array> {
  const { signer, commonName } = request;
  const info = derSequence(
    derInteger(0),
    encodeName({ commonName }),
    signer.spki,
    derElement(contextTag(0, "constructed")),
  );
  return assembleSigned(info, signer.algorithm, await signer.sign(info));
}
