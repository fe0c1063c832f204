import { contextTag, type DerReader, derInvalid, tags } from "../asn1/der-reader.ts";
import { readNamedBits } from "../asn1/der-values.ts";
import { type DistributionPoint, readDistributionPointName } from "../certificate/extension-values.ts";

/** Which certificates a list speaks about (RFC 5280 §5.2.5). */
export interface IssuingDistributionPoint extends Pick<DistributionPoint, "names" | "relativeName"> {
  readonly onlyContainsUserCerts: boolean;
  readonly onlyContainsCaCerts: boolean;
  /** Bits of ReasonFlags; undefined means all reasons. */
  readonly onlySomeReasons?: ReadonlySet<number>;
  readonly indirectCrl: boolean;
  readonly onlyContainsAttributeCerts: boolean;
}

/** Reads the value of an IssuingDistributionPoint extension. */
export function readIssuingDistributionPoint(reader: DerReader): IssuingDistributionPoint {
  const sequence = reader.enter(tags.sequence);
  const name = readDistributionPointName(sequence);
  const onlyContainsUserCerts = readFlag(sequence, 1);
  const onlyContainsCaCerts = readFlag(sequence, 2);
  const reasonsTag = contextTag(3, "primitive");
  const onlySomeReasons = sequence.nextIs(reasonsTag) ? readNamedBits(sequence, reasonsTag) : undefined;
  const indirectCrl = readFlag(sequence, 4);
  const onlyContainsAttributeCerts = readFlag(sequence, 5);
  sequence.finish();
  return {
    ...name,
    onlyContainsUserCerts,
    onlyContainsCaCerts,
    ...(onlySomeReasons === undefined ? {} : { onlySomeReasons }),
    indirectCrl,
    onlyContainsAttributeCerts,
  };
}

/** A BOOLEAN DEFAULT FALSE with an implicit tag: DER writes it only when true. */
function readFlag(reader: DerReader, number: number): boolean {
  const tag = contextTag(number, "primitive");
  if (!reader.nextIs(tag)) return false;
  const content = reader.content(tag);
  if (content.length !== 1 || content[0] !== 0xff) throw derInvalid("a scope flag is not written as true");
  return true;
}
