import { type Clock, FleetError, parseCertificate, parseCsr, pemEncode, spkiSha256 } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { Courier } from "../courier/courier.ts";
import type { Enrolment } from "../enrolment/enrolment.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type { CertificateAuthority } from "../ports.ts";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { Revocation } from "../revocation/revocation.ts";
import type { Store, Transaction } from "../store-port.ts";
import type { Expiry, Trust } from "../trust/trust.ts";
import type { CourierOperations } from "./courier-operations.ts";
import { certificateFacts, certificateFields, deviceFacts, deviceFields } from "./filter-facts.ts";
import { filteredPage } from "./filtered-page.ts";
import { fleetQuestions } from "./fleet-questions.ts";
import type {
  AuditOperations,
  CertificateOperations,
  ClaimOperations,
  CrlOperations,
  DeviceOperations,
  Operations,
  OperatorOperations,
  TrustOperations,
} from "./operations.ts";
import {
  attestationView,
  certificateView,
  claimView,
  courierDeviceView,
  crlView,
  deviceView,
  operatorView,
} from "./views.ts";

/** The duties that people command and question. */
export interface CommandedDuties {
  readonly store: Store;
  readonly clock: Clock;
  readonly authority: CertificateAuthority;
  readonly courier: Courier;
  readonly enrolment: Enrolment;
  readonly inventory: Inventory;
  readonly issuance: Issuance;
  readonly revocation: Revocation;
  readonly trust: Trust;
  /** What of the controller expires, beside what the trust bundle holds. */
  readonly ownExpiries: () => Promise<readonly Expiry[]>;
  /** {@link AuditOperations.verify}, by audit/verify-audit.ts. */
  readonly verifyAudit: () => ReturnType<AuditOperations["verify"]>;
}

/** Everything a person can ask of a controller, carried out by its duties. Rights are judged before, in run-route.ts. */
export function operationsOf(duties: CommandedDuties): Operations {
  const { store, clock, authority, inventory, trust } = duties;
  return {
    claims: claimOperations(duties),
    devices: deviceOperations(duties),
    rotations: {
      request: async ({ name }, request) => ({ requested: await inventory.requestRotation(name, request) }),
    },
    certificates: certificateOperations(duties),
    fleet: fleetQuestions({
      store,
      clock,
      issuers: [authority.id],
      connected: {
        isConnected: (device) => inventory.connected().has(device),
        count: () => inventory.connected().size,
      },
      expiries: async () => [...trust.expiries(), ...(await duties.ownExpiries())],
    }),
    revocations: {
      plan: async ({ name }, selection) => planView(await duties.revocation.plan(name, selection)),
      async revoke({ name }, selection) {
        const { plan, ...outcome } = await duties.revocation.revoke(name, selection);
        return { ...outcome, plan: planView(plan) };
      },
      status: (_actor, epoch) => duties.revocation.propagation(epoch),
    },
    crls: crlOperations(duties),
    courier: courierOperations(duties),
    audit: {
      list: (_actor, { from = 1, limit = 1000 }) => store.transaction((tx) => tx.audit.list(from, limit)),
      verify: duties.verifyAudit,
    },
    trust: trustOperations(trust),
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
  const { store, clock, inventory, revocation, authority } = duties;
  const context = { issuers: [authority.id], isConnected: (device: string) => inventory.connected().has(device) };
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
        const certificates = (await tx.certificates.listOf(id)).map(certificateView);
        const report = await tx.reports.find(id);
        const attestation = await tx.attestations.find(id);
        return {
          ...(await deviceView(tx, record, context)),
          certificates,
          report: report?.report,
          attestation: attestation && attestationView(attestation),
        };
      }),
    set: async ({ name }, id, attributes) => view(await inventory.setAttributes(name, id, attributes)),
    suspend: async ({ name }, id, reason) => view(await inventory.suspend(name, id, reason)),
    reinstate: async ({ name }, id) => view(await inventory.reinstate(name, id)),
    async retire({ name }, id) {
      await revocation.retire(name, id);
      return view(await store.transaction((tx) => requireDevice(tx, id)));
    },
  };
}

function certificateOperations({ store, clock, authority }: CommandedDuties): CertificateOperations {
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
        const found: CertificateRecord | undefined =
          (await tx.certificates.find(wanted)) ?? (await tx.certificates.findBySerial(authority.id, wanted));
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

function crlOperations({ store, authority, revocation }: CommandedDuties): CrlOperations {
  return {
    list: () =>
      store.transaction(async (tx) => {
        const shards = await tx.shards.listOf(authority.id);
        const lists = await Promise.all(shards.map(({ shard }) => tx.crls.latest(authority.id, shard)));
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

function trustOperations(trust: Trust): TrustOperations {
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
      const { era, version } = await trust.publish(bundle, name);
      return { era, version };
    },
  };
}

function operatorOperations({ store, clock, issuance, authority }: CommandedDuties): OperatorOperations {
  return {
    async create(actor, { name, role, csr: der }) {
      const csr = parseCsr(der);
      await store.transaction(async (tx) => {
        if ((await tx.operators.find(name)) !== undefined) {
          throw new FleetError("already-exists", `there is an operator ${name}`, {
            hint: "take another name; names are never used again",
          });
        }
      });
      const certificate = await issuance.toController({
        actor: actor.name,
        commonName: name,
        usage: "clientAuth",
        hosts: [],
        spki: csr.spki,
        keyAlgorithm: csr.keyAlgorithm,
        validity: operatorValidity,
        backdate: hour,
        profile: "operator",
        async commit(tx, { sha256, notAfter }) {
          const at = clock.now();
          await tx.operators.put({
            name,
            role,
            certificateSha256: sha256,
            notAfter,
            createdAt: at,
            disabledAt: undefined,
          });
          await appendAudit(tx, {
            ...{ at, actor: actor.name, action: "operator.created", target: name, outcome: "success" },
            details: { role, certificate: sha256 },
          });
        },
      });
      const operator = await store.transaction((tx) => tx.operators.find(name));
      if (operator === undefined) throw new FleetError("internal", `operator ${name} was not kept`);
      return { operator: operatorView(operator), certificate: certificate.der, chain: [authority.certificate] };
    },
    list: (_actor, request) =>
      filteredPage(store, request, {
        read: (tx, page) => tx.operators.list(page),
        keyOf: ({ name }) => name,
        view: async (_tx, record) => operatorView(record),
        facts: ({ name, role }) => ({ name, role }),
        fields: ["name", "role"],
      }),
    disable: (actor, name) =>
      store.transaction(async (tx) => {
        const found = await tx.operators.find(name);
        if (found === undefined)
          throw new FleetError("not-found", `there is no operator ${name}`, { hint: "fleetcert operator list" });
        if (found.disabledAt !== undefined) return operatorView(found);
        const disabled = { ...found, disabledAt: clock.now() };
        await tx.operators.put(disabled);
        const event = { actor: actor.name, action: "operator.disabled", target: name, outcome: "success" } as const;
        await appendAudit(tx, { at: clock.now(), ...event });
        return operatorView(disabled);
      }),
  };
}

function planView(plan: Awaited<ReturnType<Revocation["plan"]>>) {
  return { ...plan, certificates: plan.certificates.map(certificateView) };
}

async function requireDevice(tx: Transaction, id: string): Promise<DeviceRecord> {
  const found = await tx.devices.find(id);
  if (found === undefined)
    throw new FleetError("not-found", `there is no device ${id}`, { hint: "fleetcert device list" });
  return found;
}

const hour = 3_600_000;
const operatorValidity = 365 * 24 * hour;
