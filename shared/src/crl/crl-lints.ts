import { contextTag, DerReader, tags } from "../asn1/der-reader.ts";
import { readGeneralizedTime, timeAt } from "../asn1/der-time.ts";
import { readBigInteger, readIntegerBytes } from "../asn1/der-values.ts";
import { extensionOids } from "../certificate/extension.ts";
import { Serial } from "../certificate/serial.ts";
import type { Instant } from "../time/instant.ts";
import type { LooseCrl, LooseTime } from "./loose-crl.ts";
import { reasonCodeOf } from "./reason-code.ts";

/** One rule a list may break; `isDefect` may throw a FleetError, which counts as a defect. */
export interface CrlLint {
  /** What {@link lintCrl} answers. */
  readonly name: string;
  readonly rules: "rfc5280" | "web";
  readonly isDefect: (crl: LooseCrl) => boolean;
}

const rule = (name: string, isDefect: CrlLint["isDefect"]): CrlLint => ({ name, rules: "rfc5280", isDefect });

const webRule = (name: string, isDefect: CrlLint["isDefect"]): CrlLint => ({ name, rules: "web", isDefect });

/** Every rule; sections are those of RFC 5280, web rules those of the CA/Browser Forum's Baseline Requirements §7.2. */
export const crlLints: readonly CrlLint[] = [
  // §5.1.2.1
  rule("version-not-2", ({ version }) => version?.length !== 1 || version[0] !== 1),
  // §5.1.2.3
  rule("issuer-empty", ({ issuer }) => new DerReader(issuer).enter(tags.sequence).isAtEnd),
  // §5.1.2.4 to §5.1.2.6
  rule("time-malformed", (crl) => timesOf(crl).some((time) => Number.isNaN(instantOf(time)))),
  rule("time-wrong-type", (crl) => timesOf(crl).some(hasWrongType)),
  rule("next-update-missing", ({ nextUpdate }) => nextUpdate === undefined),
  rule("validity-negative", (crl) => validityOf(crl) <= 0),
  rule("revoked-list-empty", ({ entries }) => entries?.length === 0),
  rule("serial-invalid", hasNoSerials),
  rule(
    "serial-twice",
    ({ entries = [] }) => new Set(entries.map(({ serial }) => Serial.of(serial).hex)).size < entries.length,
  ),
  // §5.2.1
  rule("authority-key-id-missing", (crl) => valueOfExtension(crl, extensionOids.authorityKeyId) === undefined),
  rule("authority-key-id-not-key", (crl) => onValue(crl, extensionOids.authorityKeyId, namesMoreThanKey)),
  // §5.2.3
  rule("number-missing", (crl) => valueOfExtension(crl, extensionOids.crlNumber) === undefined),
  rule("number-critical", (crl) => isCritical(crl, extensionOids.crlNumber) === true),
  rule("number-too-long", (crl) => onValue(crl, extensionOids.crlNumber, isLongNumber)),
  // §5.2.4
  rule("delta-not-critical", (crl) => isCritical(crl, extensionOids.deltaCrlIndicator) === false),
  rule("delta-not-newer-than-base", (crl) => {
    const [number, base] = [extensionOids.crlNumber, extensionOids.deltaCrlIndicator].map((oid) => numberIn(crl, oid));
    return number !== undefined && base !== undefined && number <= base;
  }),
  // §5.2.5
  rule("scope-not-critical", (crl) => isCritical(crl, extensionOids.issuingDistributionPoint) === false),
  rule("scope-empty", (crl) => onScope(crl, (scope) => scope.length === 0)),
  rule("scope-name-malformed", (crl) =>
    onScope(crl, ([first]) => first !== undefined && first.tag === pointTag && uriTagsOf(first).length === 0),
  ),
  rule("scope-user-and-ca", (crl) => onScope(crl, (scope) => scope.filter(({ tag }) => onlyTags.has(tag)).length > 1)),
  // §5.2.6
  rule("freshest-crl-critical", (crl) => isCritical(crl, extensionOids.freshestCrl) === true),
  rule("freshest-crl-in-delta", (crl) => isDelta(crl) && isCritical(crl, extensionOids.freshestCrl) !== undefined),
  // §5.3
  rule("reason-critical", (crl) => entryExtensions(crl, extensionOids.reasonCode).some(({ critical }) => critical)),
  rule("reason-unspecified", (crl) => reasonsOf(crl).includes(0)),
  rule("reason-unknown", (crl) => reasonsOf(crl).some((reason) => reasonCodeOf(reason) === undefined)),
  rule("reason-remove-outside-delta", (crl) => reasonsOf(crl).includes(8) && !isDelta(crl)),
  rule("invalidity-date-critical", (crl) => datesOf(crl).some(({ critical }) => critical)),
  rule("invalidity-date-malformed", (crl) => datesOf(crl).some(({ value }) => !isGeneralizedTime(value))),
  rule(
    "certificate-issuer-outside-indirect",
    (crl) => entryExtensions(crl, extensionOids.certificateIssuer).length > 0,
  ),
  webRule("authority-info-access", (crl) => isCritical(crl, extensionOids.authorityInfoAccess) !== undefined),
  webRule("freshest-crl", (crl) => isCritical(crl, extensionOids.freshestCrl) !== undefined),
  webRule("validity-too-long", (crl) => validityOf(crl) > (isForCas(crl) ? 366 : 10) * day),
  webRule("reason-not-allowed", (crl) => reasonsOf(crl).some((reason) => [2, 6, 10].includes(reason))),
  webRule("scope-missing", (crl) => valueOfExtension(crl, extensionOids.issuingDistributionPoint) === undefined),
  webRule("scope-some-reasons", (crl) => onScope(crl, (scope) => scope.some(({ tag }) => reasonsTags.has(tag)))),
  webRule("scope-uri-not-http", (crl) =>
    onScope(crl, ([first]) => urisOf(first).some((uri) => !uri.startsWith("http://"))),
  ),
  webRule("scope-several-uris", (crl) => onScope(crl, ([first]) => urisOf(first).length > 1)),
  webRule("scope-user-without-point", (crl) =>
    onScope(crl, (scope) => hasTag(scope, userTag) && !hasTag(scope, pointTag)),
  ),
  webRule("scope-point-without-user", (crl) =>
    onScope(crl, (scope) => hasTag(scope, pointTag) && !hasTag(scope, userTag)),
  ),
];

interface Part {
  readonly tag: number;
  readonly der: Uint8Array;
}

const timesOf = ({ thisUpdate, nextUpdate, entries = [] }: LooseCrl): LooseTime[] => [
  thisUpdate,
  ...(nextUpdate ? [nextUpdate] : []),
  ...entries.map(({ revokedAt }) => revokedAt),
];

function instantOf({ tag, content }: LooseTime): Instant {
  return content.length === (tag === tags.utcTime ? 13 : 15) ? timeAt(content, 0, content.length) : Number.NaN;
}

/** UTCTime through 2049, GeneralizedTime from then on. */
const hasWrongType = (time: LooseTime): boolean =>
  time.tag === tags.generalizedTime && instantOf(time) < Date.UTC(2050, 0, 1);

/** BR §7.2: both ends count, so a list from 0:00:00 to 0:00:00 lasts a second longer than their difference. */
const validityOf = ({ thisUpdate, nextUpdate }: LooseCrl): number =>
  nextUpdate === undefined
    ? 1
    : instantOf(nextUpdate) - instantOf(thisUpdate) + (instantOf(nextUpdate) > instantOf(thisUpdate) ? 1000 : 0);

const valueOfExtension = (crl: LooseCrl, oid: string): Uint8Array | undefined =>
  crl.extensions.find((extension) => extension.oid === oid)?.value;

const isCritical = (crl: LooseCrl, oid: string): boolean | undefined =>
  crl.extensions.find((extension) => extension.oid === oid)?.critical;

const isDelta = (crl: LooseCrl): boolean => isCritical(crl, extensionOids.deltaCrlIndicator) !== undefined;

const isForCas = (crl: LooseCrl): boolean => onScope(crl, (scope) => hasTag(scope, caTag));

const entryExtensions = ({ entries = [] }: LooseCrl, oid: string) =>
  entries.flatMap(({ extensions }) => extensions.filter((extension) => extension.oid === oid));

const reasonsOf = (crl: LooseCrl): number[] =>
  entryExtensions(crl, extensionOids.reasonCode).map(
    ({ value }) => new DerReader(value).content(tags.enumerated)[0] ?? -1,
  );

const datesOf = (crl: LooseCrl) => entryExtensions(crl, extensionOids.invalidityDate);

/** §5.3.2: GeneralizedTime, also before 2050. */
function isGeneralizedTime(value: Uint8Array): boolean {
  readGeneralizedTime(new DerReader(value));
  return true;
}

function numberIn(crl: LooseCrl, oid: string): bigint | undefined {
  const value = valueOfExtension(crl, oid);
  return value && readBigInteger(new DerReader(value));
}

function onValue(crl: LooseCrl, oid: string, isDefect: (value: DerReader) => boolean): boolean {
  const value = valueOfExtension(crl, oid);
  return value !== undefined && isDefect(new DerReader(value));
}

/** Parts of the issuing distribution point, in order. */
function onScope(crl: LooseCrl, isDefect: (parts: readonly Part[]) => boolean): boolean {
  return onValue(crl, extensionOids.issuingDistributionPoint, (value) => isDefect(partsOf(value.enter(tags.sequence))));
}

function partsOf(reader: DerReader): Part[] {
  const parts: Part[] = [];
  while (!reader.isAtEnd) parts.push({ tag: reader.peekTag() as number, der: reader.element() });
  return parts;
}

/** False for serials that are; one that is none throws, which counts as the defect. */
function hasNoSerials({ entries = [] }: LooseCrl): boolean {
  for (const { serial } of entries) Serial.of(serial);
  return false;
}

function namesMoreThanKey(value: DerReader): boolean {
  const parts = partsOf(value.enter(tags.sequence));
  return parts.length !== 1 || parts[0]?.tag !== contextTag(0, "primitive");
}

function isLongNumber(value: DerReader): boolean {
  const octets = readIntegerBytes(value);
  return octets.length > 20 || (octets[0] as number) >= 0x80;
}

/** URI names inside DistributionPointName; a name relative to the issuer has none. */
function uriTagsOf(point: Part): Part[] {
  const choice = new DerReader(point.der).enter(pointTag);
  return choice.nextIs(fullNameTag) ? partsOf(choice.enter(fullNameTag)).filter(({ tag }) => tag === uriTag) : [];
}

function urisOf(point: Part | undefined): string[] {
  if (point?.tag !== pointTag) return [];
  return uriTagsOf(point).map(({ der }) => Buffer.from(new DerReader(der).content(uriTag)).toString("latin1"));
}

const hasTag = (parts: readonly Part[], wanted: number): boolean => parts.some(({ tag }) => tag === wanted);

const pointTag = contextTag(0, "constructed");
const fullNameTag = contextTag(0, "constructed");
const uriTag = contextTag(6, "primitive");
const userTag = contextTag(1, "primitive");
const caTag = contextTag(2, "primitive");
/** Some software tags the reasons explicitly, against the module of RFC 5280 appendix A.2. */
const reasonsTags: ReadonlySet<number> = new Set([contextTag(3, "primitive"), contextTag(3, "constructed")]);
const onlyTags: ReadonlySet<number> = new Set([userTag, caTag, contextTag(5, "primitive")]);
const day = 86_400_000;
