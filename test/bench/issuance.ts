import { execFileSync } from "node:child_process";
import { assembleSigned, encodeCsr, encodeTbsCertificate, parseCsr, Serial } from "@fleetcert/shared";
import {
  compareIssued,
  endCertificateTemplate,
  openIssuer,
  requireIssued,
} from "../../controller/src/issuance/certificate-template.ts";
import { type IssuanceFacts, judgeIssuance } from "../../controller/src/policy/policy.ts";
import { aWorld } from "../support/controller.ts";
import { testSigner } from "../support/test-signer.ts";
import type { Row } from "./run.ts";

/**
 * Certificates a core makes in a second from CSR bytes: parse, possession, policy, encode, sign, re-parse and compare; no
 * store, one thread. The second row also verifies the signature just made, as the controller does (beside its event loop).
 * The ratio is to a core that only signs and verifies, by `openssl speed` in the same run; both count CPU time.
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
  const perSecond = (batch * 1_000_000) / (await medianCpuOf7(() => issueAll(compareIssued)));
  const verified = (batch * 1_000_000) / (await medianCpuOf7(() => issueAll(requireIssued)));
  const { limit, version } = opensslLimit();
  const of = `1/(1/sign + 1/verify) of ${version}`;
  return [
    { name: "openssl sign+verify P-256", value: limit, unit: "/s" },
    { name: "issuance", value: perSecond, unit: "/s", ratio: perSecond / limit, of },
    { name: "issuance, own signature verified", value: verified, unit: "/s", ratio: verified / limit, of },
  ];
}

/** Median of seven runs in microseconds of CPU after a warm-up, as `openssl speed` counts: other work does not disturb it. */
async function medianCpuOf7(run: () => Promise<void>): Promise<number> {
  for (let count = 0; count < 3; count++) await run();
  const times: number[] = [];
  for (let count = 0; count < 7; count++) {
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    times.push(user + system);
  }
  return times.toSorted((left, right) => left - right)[3] as number;
}

type Asked = Parameters<typeof compareIssued>[1];

function opensslLimit(): { readonly limit: number; readonly version: string } {
  const version = execFileSync("openssl", ["version"], { encoding: "utf8" }).split(" ").slice(0, 2).join(" ");
  const output = execFileSync("openssl", ["speed", "-seconds", "2", "ecdsap256"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [sign, verify] = /nistp256\)\s+\S+\s+\S+\s+([\d.]+)\s+([\d.]+)/.exec(output)?.slice(1).map(Number) ?? [];
  if (sign === undefined || verify === undefined) throw new Error(`openssl speed printed something else: ${output}`);
  return { limit: 1 / (1 / sign + 1 / verify), version };
}

const facts: Omit<IssuanceFacts, "now" | "device" | "keyAlgorithm"> = {
  deviceState: "active",
  stateReason: "",
  slot: "identity",
  generation: 1,
  profile: {
    name: "device",
    keyAlgorithms: ["P-256"],
    protections: ["token"],
    validity: 90 * 86_400_000,
    backdate: 3_600_000,
    renewAt: 2 / 3,
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
