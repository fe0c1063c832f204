import type { HeadShard } from "@fleetcert/proto";
import {
  type Certificate,
  type CertificateRevocationList,
  isFleetError,
  parseCrl,
  sha256,
  spkiSha256,
  verifyCrl,
} from "@fleetcert/shared";
import { RevocationRefusal } from "./refusal.ts";

/**
 * Parses the list of one shard and checks that it is the very one its signed head names: length and hash, the issuer's name,
 * key and signature, the epoch as cRLNumber, and a scope that is this shard and no less. Its dates are not judged: freshness is
 * the head's. Throws a {@link RevocationRefusal}.
 */
export function verifyShardCrl(der: Uint8Array, shard: HeadShard, issuer: Certificate): CertificateRevocationList {
  const name = `the list of shard ${shard.shard}, epoch ${shard.crlEpoch},`;
  if (der.length !== shard.crlLength) {
    throw new RevocationRefusal("truncated", `${name} has ${der.length} bytes, its head says ${shard.crlLength}`);
  }
  if (Buffer.compare(sha256(der), shard.crlSha256) !== 0) {
    throw new RevocationRefusal("wrong-hash", `${name} has another hash than its head says`);
  }
  const list = parse(der, name);
  if (list.crlNumber !== BigInt(shard.crlEpoch))
    throw new RevocationRefusal("wrong-number", `${name} is number ${list.crlNumber}`);
  requireScope(list, { name, issuer: spkiSha256(issuer.spki), shard: shard.shard });
  requireIssuer(list, issuer, name);
  return list;
}

function parse(der: Uint8Array, name: string): CertificateRevocationList {
  try {
    return parseCrl(der);
  } catch (cause) {
    if (!isFleetError(cause)) throw cause;
    throw new RevocationRefusal("malformed", `${name} cannot be read: ${cause.message}`, cause);
  }
}

/** RFC 5280 §5.2.5: a list that leaves out reasons, speaks for other issuers or for attribute certificates is not ours. */
function requireScope(
  { issuingDistributionPoint: scope, deltaBase }: CertificateRevocationList,
  wanted: { readonly name: string; readonly issuer: string; readonly shard: number },
): void {
  const path = `/crl/${wanted.issuer}/${wanted.shard}.crl`;
  const refuse = (why: string) => new RevocationRefusal("wrong-scope", `${wanted.name} ${why}`);
  if (deltaBase !== undefined) throw refuse("is a delta");
  if (!scope?.names.some((one) => one.kind === "uri" && one.value.endsWith(path)))
    throw refuse(`does not name …${path}`);
  if (scope.onlySomeReasons !== undefined || scope.indirectCrl || scope.onlyContainsAttributeCerts) {
    throw refuse("speaks for other certificates or reasons");
  }
}

function requireIssuer(crl: CertificateRevocationList, issuer: Certificate, name: string): void {
  try {
    verifyCrl({ crl, issuer });
  } catch (cause) {
    if (!isFleetError(cause)) throw cause;
    const fault = cause.code === "signature-invalid" ? "bad-signature" : "wrong-issuer";
    throw new RevocationRefusal(fault, `${name} is not its issuer's: ${cause.message}`, cause);
  }
}
