import { isDeviceId } from "@fleetcert/shared";
import { type DownKind, downKinds, type UpKind, upKinds } from "./message.ts";

/** Every topic of the protocol, taken apart. Issuers are SPKI SHA-256 in lower-case hex. */
export type Topic =
  | { readonly type: "up"; readonly device: string; readonly kind: UpKind }
  | { readonly type: "down"; readonly device: string; readonly kind: DownKind }
  | { readonly type: "desired"; readonly device: string }
  | { readonly type: "bootstrap-up"; readonly clientId: string; readonly kind: UpKind }
  | { readonly type: "bootstrap-down"; readonly clientId: string; readonly kind: DownKind }
  | { readonly type: "trust" }
  | { readonly type: "trust-version"; readonly version: number }
  | { readonly type: "head"; readonly issuer: string }
  | ({ readonly type: "crl-part" } & Part)
  | ({ readonly type: "snapshot-part" } & Part)
  | ({ readonly type: "delta" } & Step)
  | ({ readonly type: "crl-patch" } & Step);

interface Part {
  readonly issuer: string;
  readonly shard: number;
  readonly epoch: number;
  readonly part: number;
}

interface Step {
  readonly issuer: string;
  readonly shard: number;
  readonly from: number;
  readonly to: number;
}

/** Builds the topic's text; the inverse of {@link parseTopic}. */
export function formatTopic(topic: Topic): string {
  switch (topic.type) {
    case "up":
    case "down":
      return `${prefix}/device/${topic.device}/${topic.type}/${topic.kind}`;
    case "desired":
      return `${prefix}/device/${topic.device}/desired`;
    case "bootstrap-up":
      return `${prefix}/bootstrap/${topic.clientId}/up/${topic.kind}`;
    case "bootstrap-down":
      return `${prefix}/bootstrap/${topic.clientId}/down/${topic.kind}`;
    case "trust":
      return `${prefix}/fleet/trust`;
    case "trust-version":
      return `${prefix}/fleet/trust/${topic.version}`;
    case "head":
      return `${prefix}/fleet/revocation/${topic.issuer}/head`;
    case "crl-part":
      return `${prefix}/fleet/revocation/${topic.issuer}/${topic.shard}/crl/${topic.epoch}/${topic.part}`;
    case "snapshot-part":
      return `${prefix}/fleet/revocation/${topic.issuer}/${topic.shard}/snapshot/${topic.epoch}/${topic.part}`;
    case "delta":
    case "crl-patch":
      return `${prefix}/fleet/revocation/${topic.issuer}/${topic.shard}/${topic.type}/${topic.from}-${topic.to}`;
  }
}

/** Takes a topic apart; undefined for anything that is not exactly one of ours. Never throws. */
export function parseTopic(text: string): Topic | undefined {
  if (text.length > maxTopicLength) return undefined;
  const levels = text.split("/");
  if (levels[0] !== "fleetcert" || levels[1] !== "1") return undefined;
  const rest = levels.slice(3);
  switch (levels[2]) {
    case "device":
      return parseDevice(rest);
    case "bootstrap":
      return parseBootstrap(rest);
    case "fleet":
      return parseFleet(rest);
    default:
      return undefined;
  }
}

/** The subscriptions a device makes on its operational session, besides the parts it fetches on demand. */
export function deviceSubscriptions(device: string): string[] {
  return [
    `${prefix}/device/${device}/down/#`,
    `${prefix}/device/${device}/desired`,
    `${prefix}/fleet/trust`,
    `${prefix}/fleet/revocation/+/head`,
  ];
}

/**
 * What the controller subscribes to at an external broker: everything devices say. With a group it is a shared subscription,
 * of which each message goes to one of the controllers in the group.
 */
export function controllerSubscription(group = ""): string {
  const everything = `${prefix}/device/+/up/+`;
  return group === "" ? everything : `$share/${group}/${everything}`;
}

/** The one subscription of a bootstrap session. */
export function bootstrapSubscriptions(clientId: string): string[] {
  return [`${prefix}/bootstrap/${clientId}/down/#`];
}

/** Whether a device may subscribe to a filter: its standing ones and exact fleet topics, no wider wildcard. */
export function mayDeviceSubscribe(device: string, filter: string): boolean {
  if (deviceSubscriptions(device).includes(filter)) return true;
  const topic = parseTopic(filter);
  switch (topic?.type) {
    case "down":
      return topic.device === device;
    case "trust-version":
    case "head":
    case "crl-part":
    case "snapshot-part":
    case "delta":
    case "crl-patch":
      return true;
    default:
      return false;
  }
}

/** Client id of a bootstrap session: `boot-` and the first 40 hex digits of the SPKI's SHA-256. */
export function bootstrapClientId(spkiSha256: string): string {
  return `boot-${spkiSha256.slice(0, 40)}`;
}

/** Whether a text is a bootstrap client id. */
export function isBootstrapClientId(text: string): boolean {
  return bootstrapPattern.test(text);
}

function parseDevice([device, direction, kind, ...more]: string[]): Topic | undefined {
  if (device === undefined || !isDeviceId(device) || more.length > 0) return undefined;
  if (direction === "desired" && kind === undefined) return { type: "desired", device };
  if (direction === "up" && isUpKind(kind)) return { type: "up", device, kind };
  if (direction === "down" && isDownKind(kind)) return { type: "down", device, kind };
  return undefined;
}

function parseBootstrap([clientId, direction, kind, ...more]: string[]): Topic | undefined {
  if (clientId === undefined || !isBootstrapClientId(clientId) || more.length > 0) return undefined;
  if (direction === "up" && isUpKind(kind)) return { type: "bootstrap-up", clientId, kind };
  if (direction === "down" && isDownKind(kind)) return { type: "bootstrap-down", clientId, kind };
  return undefined;
}

function parseFleet([what, ...rest]: string[]): Topic | undefined {
  if (what === "trust") return parseTrust(rest);
  if (what !== "revocation") return undefined;
  const [issuer, second, form, ...tail] = rest;
  if (issuer === undefined || !sha256Pattern.test(issuer)) return undefined;
  if (second === "head" && form === undefined) return { type: "head", issuer };
  const shard = parseNumber(second, 0xffff);
  if (shard === undefined) return undefined;
  if (form === "crl" || form === "snapshot") return parsePart(issuer, shard, form, tail);
  if (form === "delta" || form === "crl-patch") return parseStep(issuer, shard, form, tail);
  return undefined;
}

function parseTrust(rest: string[]): Topic | undefined {
  if (rest.length === 0) return { type: "trust" };
  const version = parseNumber(rest[0]);
  return rest.length === 1 && version !== undefined ? { type: "trust-version", version } : undefined;
}

function parsePart(issuer: string, shard: number, form: "crl" | "snapshot", tail: string[]): Topic | undefined {
  const epoch = parseNumber(tail[0]);
  const part = parseNumber(tail[1], 0xffff);
  if (tail.length !== 2 || epoch === undefined || part === undefined) return undefined;
  return { type: `${form}-part`, issuer, shard, epoch, part };
}

function parseStep(issuer: string, shard: number, form: "delta" | "crl-patch", tail: string[]): Topic | undefined {
  const [fromText, toText, ...more] = tail[0]?.split("-") ?? [];
  const from = parseNumber(fromText);
  const to = parseNumber(toText);
  if (tail.length !== 1 || more.length > 0 || from === undefined || to === undefined) return undefined;
  return { type: form, issuer, shard, from, to };
}

function parseNumber(text: string | undefined, max = Number.MAX_SAFE_INTEGER): number | undefined {
  if (text === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}

function isUpKind(kind: string | undefined): kind is UpKind {
  return (upKinds as readonly (string | undefined)[]).includes(kind);
}

function isDownKind(kind: string | undefined): kind is DownKind {
  return (downKinds as readonly (string | undefined)[]).includes(kind);
}

const prefix = "fleetcert/1";
const maxTopicLength = 256;
const bootstrapPattern = /^boot-[0-9a-f]{40}$/;
const sha256Pattern = /^[0-9a-f]{64}$/;
