import type { Topic } from "./topics.ts";

/** What one kind of topic is for. */
export interface TopicUse {
  /** The topic with names in braces for its parts. */
  readonly form: string;
  readonly from: "device" | "controller";
  readonly isRetained: boolean;
  readonly meaning: string;
}

const root = "fleetcert/1";
const shard = `${root}/fleet/revocation/{issuer}/{shard}`;

/** Every topic of the protocol, for people. Nothing is retained that a device sends; all of it travels with QoS 1. */
export const topicCatalogue: Readonly<Record<Topic["type"], TopicUse>> = {
  up: {
    ...{ form: `${root}/device/{id}/up/{kind}`, from: "device", isRetained: false },
    meaning: "a message of a device in a session with its certificate",
  },
  down: {
    ...{ form: `${root}/device/{id}/down/{kind}`, from: "controller", isRetained: false },
    meaning: "an answer to that device",
  },
  desired: {
    ...{ form: `${root}/device/{id}/desired`, from: "controller", isRetained: true },
    meaning: "what the device is to become; ordered by (era, version)",
  },
  "bootstrap-up": {
    ...{ form: `${root}/bootstrap/{clientId}/up/{kind}`, from: "device", isRetained: false },
    meaning: "enrolment, and renewal after expiry, on the bootstrap listener",
  },
  "bootstrap-down": {
    ...{ form: `${root}/bootstrap/{clientId}/down/{kind}`, from: "controller", isRetained: false },
    meaning: "the answer to that client",
  },
  trust: {
    ...{ form: `${root}/fleet/trust`, from: "controller", isRetained: true },
    meaning: "the trust bundle in force, signed by the root",
  },
  "trust-version": {
    ...{ form: `${root}/fleet/trust/{version}`, from: "controller", isRetained: true },
    meaning: "each bundle on the way from an older one to the one in force",
  },
  head: {
    ...{ form: `${root}/fleet/revocation/{issuer}/head`, from: "controller", isRetained: true },
    meaning: "the signed head of the issuer's newest epoch; published after its parts",
  },
  "crl-part": {
    ...{ form: `${shard}/crl/{epoch}/{part}`, from: "controller", isRetained: true },
    meaning: "a part of the shard's CRL, DER",
  },
  "snapshot-part": {
    ...{ form: `${shard}/snapshot/{epoch}/{part}`, from: "controller", isRetained: true },
    meaning: "a part of the shard's compact snapshot",
  },
  delta: {
    ...{ form: `${shard}/delta/{from}-{to}`, from: "controller", isRetained: true },
    meaning: "what turns one snapshot into another",
  },
  "crl-patch": {
    ...{ form: `${shard}/crl-patch/{from}-{to}`, from: "controller", isRetained: true },
    meaning: "what turns one CRL into another",
  },
};
