import { type Clock, FleetError, parseCertificate, parsePcrSelections, pemEncode, spkiSha256 } from "@fleetcert/shared";
import type { Approval } from "../approval/approval.ts";
import type { Attestation } from "../attestation/attestation.ts";
import type { Courier } from "../courier/courier.ts";
import type { Enrolment } from "../enrolment/enrolment.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type { CertificateAuthority, RandomSource } from "../ports.ts";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { Revocation } from "../revocation/revocation.ts";
import type { Rollouts } from "../rollout/rollout.ts";
import type { Rollovers } from "../rollover/rollover.ts";
import type { Store, Transaction } from "../store-port.ts";
import type { Expiry, Trust } from "../trust/trust.ts";
import type { CourierOperations } from "./courier-operations.ts";
import { certificateFacts, certificateFields, deviceFacts, deviceFields } from "./filter-facts.ts";
import { filteredPage } from "./filtered-page.ts";
import { fleetQuestions } from "./fleet-questions.ts";
import { governedOperations } from "./governed-operations.ts";
import type {
  AuditOperations,
  CertificateOperations,
  ClaimOperations,
  CrlOperations,
  DeviceOperations,
  Operations,
  TrustOperations,
} from "./operations.ts";
import { operatorOperations } from "./operator-operations.ts";
import { rolloverOperations } from "./rollover-routes.ts";
import { rotationOperations } from "./rotate-in-waves.ts";
import { slotViews } from "./slot-views.ts";
import {
  attestationView,
  certificateView,
  claimView,
  courierDeviceView,
  crlView,
  deviceView,
  quoteView,
} from "./views.ts";

/** The duties that people command and question. */
export interface CommandedDuties {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly authority: CertificateAuthority;
  /** Every issuing CA whose certificates may still be in use, the one that issues now first. */
  readonly issuers: { all(): readonly { readonly id: string }[] };
  readonly courier: Courier;
  readonly enrolment: Enrolment;
  readonly attestation: Attestation;
  readonly inventory: Inventory;
  readonly approval: Approval;
  readonly issuance: Issuance;
  readonly revocation: Revocation;
  readonly rollouts: Rollouts;
  readonly rollovers: Rollovers;
  readonly trust: Trust;
  /** What of the controller expires, beside what the trust bundle holds. */
  readonly ownExpiries: () => Promise<readonly Expiry[]>;
  /** {@link AuditOperations.verify}, by audit/verify-audit.ts. */
  readonly verifyAudit: () => ReturnType<AuditOperations["verify"]>;
}

/** Everything a person can ask of a controller, carried out by its duties. Rights are judged before, in run-route.ts. */
export function operationsOf(duties: CommandedDuties): Operations {
  const { store, clock, inventory, trust } = duties;
  const issuers = (): string[] => duties.issuers.all().map(({ id }) => id);
  return {
    claims: claimOperations(duties),
    devices: deviceOperations(duties),
    rotations: rotationOperations(duties),
    rollover: rolloverOperations(duties.rollovers),
    certificates: certificateOperations(duties),
    fleet: fleetQuestions({
      store,
      clock,
      issuers,
      connected: {
        isConnected: (device) => inventory.connected().has(device),
        count: () => inventory.connected().size,
      },
      expiries: async () => [...trust.expiries(), ...(await duties.ownExpiries())],
    }),
    ...governedOperations(duties),
    crls: crlOperations(duties),
    courier: courierOperations(duties),
    audit: {
      list: (_actor, { from = 1, limit = 1000 }) => store.transaction((tx) => tx.audit.list(from, limit)),
      verify: duties.verifyAudit,
    },
    trust: trustOperations(duties),
    operators: operatorOperations(duties),
  };
}

function claimOperations({ enrolment, store }: CommandedDuties): ClaimOperations {
  return {
    async create({ name }, request) {
      const { claim, claimString } = await enrolment.createClaim(name, request);
      return { claim: claimView(claim), claimString };
    },
    list: (_actor, request) =>
      filteredPage(store, request, {
        read: (tx, page) => tx.claims.list(page),
        keyOf: ({ id }) => id,
        view: async (_tx, claim) => claimView(claim),
        facts: ({ id, profile, uses, attributes }) => ({ id, profile, uses, site: attributes.site }),
        fields: ["id", "profile", "uses", "site"],
      }),
    revoke: async ({ name }, id) => claimView(await enrolment.revokeClaim(name, id)),
  };
}

function deviceOperations(duties: CommandedDuties): DeviceOperations {
  const { store, clock, inventory, revocation } = duties;
  const context = {
    issuers: () => duties.issuers.all().map(({ id }) => id),
    isConnected: (device: string) => inventory.connected().has(device),
  };
  const view = (record: DeviceRecord) => store.transaction((tx) => deviceView(tx, record, context));
  return {
    list: (_actor, request) =>
      filteredPage(store, request, {
        read: (tx, page) => tx.devices.list(page),
        keyOf: ({ id }) => id,
        view: (tx, record) => deviceView(tx, record, context),
        facts: (device) => deviceFacts(device, clock.now()),
        fields: deviceFields,
      }),
    show: (_actor, id) =>
      store.transaction(async (tx) => {
        const record = await requireDevice(tx, id);
        const records = await tx.certificates.listOf(id);
        const report = await tx.reports.find(id);
        const attestation = await tx.attestations.find(id);
        const quote = await tx.quotes.find(id);
        return {
          ...(await deviceView(tx, record, context)),
          slots: slotViews(records, report?.report, await inventory.plannedRenewals(tx, record)),
          certificates: records.map(certificateView),
          report: report?.report,
          attestation: attestation && attestationView(attestation),
          quote: quote && quoteView(quote),
        };
      }),
    quote: async ({ name }, id, pcrs) =>
      quoteView(await duties.attestation.askQuote(name, id, parsePcrSelections(pcrs))),
    set: async ({ name }, id, attributes) => view(await inventory.setAttributes(name, id, attributes)),
    async suspend({ name }, id, reason) {
      await revocation.suspend(name, id, reason);
      return view(await store.transaction((tx) => requireDevice(tx, id)));
    },
    async reenrol({ name }, id, validFor) {
      const { claim, ...permission } = await duties.enrolment.permitReenrolment(name, id, validFor);
      return { ...permission, claim: claimView(claim) };
    },
    async reinstate({ name }, id) {
      await revocation.reinstate(name, { device: id, onlyHolds: false });
      return view(await store.transaction((tx) => requireDevice(tx, id)));
    },
    async retire({ name }, id) {
      await revocation.retire(name, id);
      return view(await store.transaction((tx) => requireDevice(tx, id)));
    },
  };
}

function certificateOperations({ store, clock, issuers }: CommandedDuties): CertificateOperations {
  return {
    list: (_actor, { notProven, ...request }) =>
      filteredPage(store, request, {
        read: (tx, page) => tx.certificates.list(page),
        keyOf: ({ sha256 }) => sha256,
        view: async (_tx, record) => certificateView(record),
        facts: (certificate) => certificateFacts(certificate, clock.now()),
        fields: certificateFields,
        keep: ({ state }) => notProven !== true || state === "issued",
      }),
    show: (_actor, id) =>
      store.transaction(async (tx) => {
        const wanted = id.toLowerCase();
        let found: CertificateRecord | undefined = await tx.certificates.find(wanted);
        for (const { id: issuer } of issuers.all()) found ??= await tx.certificates.findBySerial(issuer, wanted);
        if (found === undefined) {
          throw new FleetError("not-found", `there is no certificate ${id}`, { hint: "fleetcert cert list" });
        }
        return { ...certificateView(found), pem: pemEncode("CERTIFICATE", found.der) };
      }),
  };
}

function courierOperations({ courier, store }: CommandedDuties): CourierOperations {
  return {
    exchange: ({ name }, bundle) => courier.exchange(name, bundle),
    list: (_actor, request) =>
      filteredPage(store, request, {
        read: (tx, page) => tx.devices.list(page),
        keyOf: ({ id }) => id,
        view: courierDeviceView,
        facts: ({ device, site, connectivity }) => ({ id: device, site, connectivity }),
        fields: ["id", "site", "connectivity"],
        keep: ({ connectivity, contact }) => connectivity === "courier" || contact !== undefined,
      }),
  };
}

function crlOperations({ store, issuers, revocation }: CommandedDuties): CrlOperations {
  return {
    list: () =>
      store.transaction(async (tx) => {
        const shards = (await Promise.all(issuers.all().map(({ id }) => tx.shards.listOf(id)))).flat();
        const lists = await Promise.all(shards.map(({ issuer, shard }) => tx.crls.latest(issuer, shard)));
        return lists.filter((one) => one !== undefined).map(crlView);
      }),
    show: (_actor, issuer, shard) =>
      store.transaction(async (tx) => {
        const found = await tx.crls.latest(issuer, shard);
        if (found === undefined)
          throw new FleetError("not-found", `there is no CRL of shard ${shard}`, { hint: "fleetcert crl show" });
        return { ...crlView(found), der: found.der };
      }),
    diff: (_actor, from, to) => revocation.diff(from, to),
  };
}

function trustOperations({ trust, store, approval, revocation }: CommandedDuties): TrustOperations {
  return {
    async show() {
      const { fleet, era, version, expires, roots, issuers, commandKeys } = trust.current();
      return {
        ...{ fleet, era, version, expires },
        roots: roots
          .map(parseCertificate)
          .map(({ sha256, subject, notAfter }) => ({ sha256, subject: subject.text, notAfter })),
        issuers: issuers
          .map(parseCertificate)
          .map(({ spki, subject, notAfter }) => ({ id: spkiSha256(spki), subject: subject.text, notAfter })),
        rootLists: trust.rootLists(),
        commandKeys: commandKeys.map(({ keyId, use, notBefore, notAfter }) => ({ keyId, use, notBefore, notAfter })),
      };
    },
    async intend({ name }, intent) {
      return { at: await trust.intend(intent, name) };
    },
    async publish({ name }, bundle) {
      const distrusted = trust.distrustedBy(bundle);
      if (distrusted.length > 0) await permitDistrust({ store, approval }, { actor: name, issuers: distrusted });
      const { era, version } = await trust.publish(bundle, name);
      for (const issuer of distrusted) await revocation.endIssued(name, issuer);
      return { era, version };
    },
  };
}

/** Distrusting a CA is never one person's act (I14); the permission is used up by the bundle that does it. */
async function permitDistrust(
  { store, approval }: Pick<CommandedDuties, "store" | "approval">,
  { actor, issuers }: { readonly actor: string; readonly issuers: readonly string[] },
): Promise<void> {
  const act = { actor, kind: "ca-distrust", budget: "policy", weight: issuers.length, facts: { issuers } } as const;
  const refused = await store.transaction((tx) => approval.admit(tx, act));
  if (refused !== undefined) throw refused;
}

async function requireDevice(tx: Transaction, id: string): Promise<DeviceRecord> {
  const found = await tx.devices.find(id);
  if (found === undefined)
    throw new FleetError("not-found", `there is no device ${id}`, { hint: "fleetcert device list" });
  return found;
}
