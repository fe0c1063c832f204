import { execFileSync } from "node:child_process";
import { assembleSigned, encodeCsr, encodeTbsCertificate, parseCsr, Serial } from "@fleetcert/shared";
import {
  compareIssued,
  endCertificateTemplate,
  openIssuer,
  requireIssued,
} from "../../controller/src/issuance/certificate-template.ts";
import { type IssuanceFacts, judgeIssuance } from "../../controller/src/policy/policy.ts";
import { aWorld } from "../support/controller/controller.ts";
import { testSigner } from "../support/keys/test-signer.ts";
import { median } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * Certificates a core makes in a second from CSR bytes: parse, possession, policy, encode, sign, re-parse and compare; no
 * store, one thread. The ratio is to a core that only signs and verifies, by `openssl speed` in turns with it; both count
 * the CPU time of their one thread, so that other work on the machine does not disturb it. Garbage is counted where it is
 * collected in that thread; the rows below it show the whole process, V8's helper threads included, and the clock.
 * The last row also verifies the signature just made, as the controller does beside its event loop.
 */
export async function bench(): Promise<Row[]> {
  const world = await aWorld();
  const issuing = await world.keys.open(world.pki.issuingKeyRef);
  const authority = {
    id: issuing.id,
    certificate: world.pki.issuing.der,
    chain: [world.pki.root.der],
    signer: issuing,
  };
  const issuer = openIssuer(authority);
  const csrs = await Promise.all(
    Array.from({ length: batch }, (_, index) =>
      encodeCsr({ signer: testSigner("P-256"), commonName: `edge-${index}` }),
    ),
  );
  const now = Math.floor(world.clock.now() / 1000) * 1000;

  const issueAll = async (finish: (der: Uint8Array, asked: Asked) => unknown): Promise<void> => {
    for (const [index, der] of csrs.entries()) {
      const csr = parseCsr(der);
      const violations = judgeIssuance({ ...facts, now, device: `edge-${index}`, keyAlgorithm: csr.keyAlgorithm });
      if (violations.length > 0) throw new Error(violations[0]?.message);
      const template = endCertificateTemplate(
        {
          commonName: `edge-${index}`,
          organization: "demo",
          alternativeNames: [{ uri: `urn:fleetcert:demo:device:edge-${index}` }],
          extendedKeyUsage: ["clientAuth"],
          notBefore: now,
          notAfter: now + 90 * 86_400_000,
          spki: csr.spki,
          isRsa: false,
        },
        { issuer, serial: Serial.make({ shard: 0, index, random13: new Uint8Array(13).fill(7) }), shard: 0, crlBase },
      );
      const tbs = encodeTbsCertificate(template);
      const pending = finish(assembleSigned(tbs, issuer.algorithm, await issuing.sign(tbs)), { tbs, template, issuer });
      if (pending instanceof Promise) await pending;
    }
  };
  for (let count = 0; count < 10; count++) await issueAll(compareIssued);
  for (let count = 0; count < 3; count++) await issueAll(requireIssued);
  const rounds: Round[] = [];
  for (let count = 0; count < 5; count++) {
    const openssl = opensslCost();
    const issued = await costOf(() => issueAll(compareIssued));
    const verified = await costOf(() => issueAll(requireIssued));
    rounds.push({
      openssl,
      thread: issued.thread,
      process: issued.process,
      clock: issued.clock,
      verified: verified.process,
    });
  }
  const of = `1/(1/sign + 1/verify) of ${opensslVersion()}`;
  const row = (name: string, kind: keyof Round): Row => ({
    name,
    value: 1_000_000 / median(rounds.map((round) => round[kind])),
    unit: "/s",
    ratio: median(rounds.map((round) => round.openssl / round[kind])),
    of,
  });
  return [
    row("openssl sign+verify P-256", "openssl"),
    row("issuance", "thread"),
    row("issuance, CPU of the process", "process"),
    row("issuance, by the clock", "clock"),
    row("issuance, own signature verified", "verified"),
  ];
}

/** Microseconds a certificate, or a signature and its verification, took in one round. */
type Round = Readonly<Record<"openssl" | "thread" | "process" | "clock" | "verified", number>>;

/** Microseconds a certificate by three measures, over five runs. */
async function costOf(run: () => Promise<void>): Promise<{ thread: number; process: number; clock: number }> {
  const [thread, whole, start] = [process.threadCpuUsage(), process.cpuUsage(), performance.now()];
  for (let count = 0; count < 5; count++) await run();
  const clock = (performance.now() - start) * 1000;
  const [ownCpu, allCpu] = [process.threadCpuUsage(thread), process.cpuUsage(whole)];
  const each = (microseconds: number): number => microseconds / (5 * batch);
  return {
    thread: each(ownCpu.user + ownCpu.system),
    process: each(allCpu.user + allCpu.system),
    clock: each(clock),
  };
}

type Asked = Parameters<typeof compareIssued>[1];

/** Microseconds of CPU for one signature and one verification with P-256. */
function opensslCost(): number {
  const output = execFileSync("openssl", ["speed", "-seconds", "1", "ecdsap256"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [sign, verify] = /nistp256\)\s+\S+\s+\S+\s+([\d.]+)\s+([\d.]+)/.exec(output)?.slice(1).map(Number) ?? [];
  if (sign === undefined || verify === undefined) throw new Error(`openssl speed printed something else: ${output}`);
  return 1_000_000 / sign + 1_000_000 / verify;
}

const opensslVersion = (): string =>
  execFileSync("openssl", ["version"], { encoding: "utf8" }).split(" ").slice(0, 2).join(" ");

const facts: Omit<IssuanceFacts, "now" | "device" | "keyAlgorithm"> = {
  isReenrolment: false,
  deviceState: "active",
  stateReason: "",
  slot: "identity",
  generation: 1,
  profile: {
    name: "device",
    keyAlgorithms: ["P-256"],
    protections: ["token"],
    mayLoseAttestation: false,
    validity: 90 * 86_400_000,
    backdate: 3_600_000,
    renewAt: 2 / 3,
    renewalDisabled: false,
    renewBefore: 0,
    earliestRenewal: 0,
    maintenance: [],
    extendedKeyUsage: ["clientAuth"],
  },
  profileName: "device",
  protection: "token",
  slotCertificates: [],
  certificatesOfKey: [],
  blockedTwins: [],
  issuerNotAfter: Number.MAX_SAFE_INTEGER,
};

const crlBase = "http://localhost:8080";
const batch = 1000;
