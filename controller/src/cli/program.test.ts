import { FleetError } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import type { RevocationPlanView } from "../access/governed.ts";
import type { CertificateView, DeviceView, Operations } from "../access/operations.ts";
import type { CliContext } from "./context.ts";
import { runProgram } from "./program.ts";

const now = Date.UTC(2026, 10, 20, 12);
const day = 86_400_000;

const certificate: CertificateView = {
  sha256: "ab".repeat(32),
  serial: "0100000000000100112233445566778899aabbcc",
  issuer: "cd".repeat(32),
  device: "edge-1",
  slot: "identity",
  generation: 2,
  profile: "device",
  keyAlgorithm: "P-256",
  protection: "token",
  state: "proven",
  notBefore: now - day,
  notAfter: now + 89 * day,
  issuedAt: now - day,
  provenAt: now - day,
  provenVia: "session",
  retiredAt: undefined,
  revokedAt: undefined,
  revocationReason: "",
};

const device: DeviceView = {
  id: "edge-1",
  state: "active",
  stateReason: "",
  attributes: {
    site: "=cmd()",
    owner: "plant\u001b[31m",
    environment: "production",
    criticality: "high",
    tags: ["a", "b"],
    connectivity: "always",
    connectivityBy: "computed",
  },
  connected: true,
  createdAt: now - day,
  lastSeenAt: now - 60_000,
  agentVersion: "0.1.0",
  clockOffset: 12,
  certificate,
  courier: undefined,
  epochs: {},
};

const plan: RevocationPlanView = {
  hash: "ef".repeat(32),
  devices: ["edge-1"],
  certificates: [certificate],
  impact: {
    devices: 1,
    certificates: 1,
    sites: { berlin: 1 },
    owners: { plant: 1 },
    environments: {},
    criticality: { high: 1 },
    connectivity: {},
    services: {},
    offline: 0,
    offlinePercent: 0,
    lockedOut: { devices: 1, operators: ["alice"], controller: [] },
    crlBytes: 51,
    snapshotBytes: 3,
  },
  suspends: true,
  aboveBound: false,
};

describe("fleetcert", () => {
  it("lists devices as a table whose cells cannot move the terminal", async () => {
    const { code, out } = await run(["device", "list"]);
    expect(code).toBe(0);
    expect(out).toContain("DEVICE");
    expect(out).toMatch(/edge-1 +active +● /);
    expect(out).toContain("plant\\u001b[31m");
    expect(out).not.toContain("\u001b");
  });

  it("gives the same listing as json, jsonl and csv, with formulas guarded", async () => {
    expect(JSON.parse((await run(["device", "list", "--json"])).out)[0].id).toBe("edge-1");
    expect((await run(["device", "list", "-o", "jsonl"])).out.trimEnd().split("\n")).toHaveLength(1);
    const { out } = await run(["-o", "csv", "device", "list"]);
    expect(out.split("\r\n")[1]).toContain("'=cmd()");
  });

  it("shows the claim string once, on stdout", async () => {
    const { code, out } = await run(["claim", "create", "--uses", "25", "--valid-for", "8h", "--site", "berlin"]);
    expect(code).toBe(0);
    expect(out).toContain("fc1.test");
  });

  it("does not revoke without a terminal unless told --yes", async () => {
    const { code, err, calls } = await run(["revoke", "--device", "edge-1", "--reason", "keyCompromise"]);
    expect(code).toBe(2);
    expect(err).toContain("add --yes");
    expect(calls).toEqual(["plan"]);
  });

  it("revokes with --yes, and shows only the plan with --dry-run", async () => {
    const dry = await run(["revoke", "--device", "edge-1", "--reason", "keyCompromise", "--dry-run"]);
    expect(dry.out).toContain("berlin 1");
    expect(dry.out).toContain(plan.hash);
    expect(dry.out).toContain("operator alice");
    expect(dry.calls).toEqual(["plan"]);
    const real = await run(["revoke", "--device", "edge-1", "--reason", "keyCompromise", "--yes", "--json"]);
    expect(JSON.parse(real.out).epoch).toBe(7);
    expect(real.calls).toEqual(["plan", "revoke"]);
  });

  it("refuses an unknown reason, a missing selection and unknown commands as usage", async () => {
    for (const args of [
      ["revoke", "--device", "x", "--reason", "boredom", "--yes"],
      ["revoke", "--reason", "keyCompromise", "--yes"],
      ["frobnicate"],
      ["claim", "create", "--uses", "0"],
      ["device", "set", "edge-1"],
    ]) {
      expect((await run(args)).code, args.join(" ")).toBe(2);
    }
  });

  it("asks for PCRs, shows what came, and exits by whether it holds", async () => {
    const asked = { pcrs: "sha256:0", askedAt: 1, askedBy: "local", answeredAt: 2, reason: "", values: {} };
    const answering = (outcome: string, reason = "") => {
      const quote = { ...asked, outcome, reason, values: { "sha256:0": "ab" }, resetCount: 3, restartCount: 0 };
      return { devices: { quote: async () => quote, show: async () => ({ quote }) } } as unknown as Partial<Operations>;
    };
    const good = await run(["device", "quote", "edge-1", "--pcrs", "sha256:0"], answering("verified"));
    expect(good).toMatchObject({ code: 0, out: expect.stringMatching(/pcr sha256:0 +ab/) });
    const bad = await run(["device", "quote", "edge-1"], answering("refused", "pcr-values"));
    expect(bad).toMatchObject({ code: 11, err: expect.stringContaining("pcr-values") });
    expect((await run(["device", "quote", "edge-1", "--wait", "1ms"], answering("waiting"))).code).toBe(8);
    expect((await run(["device", "quote", "edge-1", "--pcrs", "md5:0"], answering("verified"))).code).toBe(2);
  });

  it("tells a wrong command line as every other error, also as JSON whose flag stands behind what is wrong", async () => {
    const human = await run(["device", "list", "--filtre", "x"]);
    expect(human.err).toBe(
      "✖ The command line is wrong\n  why   unknown option '--filtre'\n  fix   Did you mean --filter?\n" +
        "  code  usage · fleetcert explain usage\n",
    );
    for (const form of [["--json"], ["-o", "jsonl"], ["-ojson"], ["--output=json"]]) {
      const { err } = await run(["claim", "create", "--uses", "0", ...form]);
      expect(JSON.parse(err).error).toMatchObject({ code: "usage", hint: expect.stringContaining("--help") });
    }
    expect((await run(["device"])).err).toContain("Usage: fleetcert device");
  });

  it("says what helps with an error nobody gave a hint for", async () => {
    const bare = { devices: { show: async () => Promise.reject(new FleetError("rate-limited", "too many")) } };
    const { err } = await run(["device", "show", "edge-9"], bare as unknown as Partial<Operations>);
    expect(err).toContain("\n  fix   wait, and ask again\n");
  });

  it("tells a typed error as what, why, fix and code, and as JSON on request", async () => {
    const failing = { devices: { show: async () => Promise.reject(notFound()) } } as unknown as Partial<Operations>;
    const human = await run(["device", "show", "edge-9"], failing);
    expect(human.code).toBe(5);
    expect(human.out).toBe("");
    expect(human.err).toMatch(
      /✖ .*\n {2}why {3}there is no device edge-9\n {2}fix {3}fleetcert device list\n {2}code {2}not-found/,
    );
    const machine = await run(["device", "show", "edge-9", "--json"], failing);
    expect(JSON.parse(machine.err).error).toMatchObject({ code: "not-found", hint: "fleetcert device list" });
  });

  it("draws the age distribution and what of the controller expires", async () => {
    const { out } = await run(["fleet", "age"]);
    expect(out).toContain("all devices  n=3  p50 1h  p95 2h  max 2h");
    expect(out).toMatch(/0-1h +▇+ 1/);
    expect(out).toContain("root CA");
    expect(out).toContain("a person");
  });

  it("exits 11 when the audit chain is broken", async () => {
    const broken = {
      audit: { verify: async () => ({ ok: false, entries: 9, firstBad: { sequence: 4, why: "altered" } }) },
    } as unknown as Partial<Operations>;
    const { code, err } = await run(["audit", "verify"], broken);
    expect(code).toBe(11);
    expect(err).toContain("entry 4: altered");
  });

  it("explains every error code", async () => {
    const { out } = await run(["explain", "device-exists"]);
    expect(out).toContain("re-enrolment");
    expect(out).toMatch(/fix +a person may permit it/);
    expect((await run(["explain", "nonsense"])).code).toBe(5);
  });
});

async function run(args: string[], overrides: Partial<Operations> = {}) {
  let out = "";
  let err = "";
  const calls: string[] = [];
  const operations = { ...fakeOperations(calls), ...overrides } as Operations;
  const context: CliContext = {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    isInteractive: false,
    confirm: async () => false,
    now: () => now,
    connect: async () => operations,
  };
  const code = await runProgram(args, context);
  return { code, out, err, calls };
}

function fakeOperations(calls: string[]): Partial<Operations> {
  const ages = { group: "all devices", count: 3, p50: 3_600_000, p95: 7_200_000, max: 7_200_000 };
  return {
    devices: { list: async () => ({ items: [device], next: undefined }) },
    claims: {
      create: async () => ({ claim: { id: "test", maxUses: 25, expiresAt: now + day }, claimString: "fc1.test" }),
    },
    revocations: {
      plan: async () => {
        calls.push("plan");
        return plan;
      },
      revoke: async () => {
        calls.push("revoke");
        return { plan, state: "done", epoch: 7, droppedSessions: 1, blockedAtBroker: 12 };
      },
    },
    fleet: {
      age: async () => ({
        total: { ...ages, buckets: [{ label: "0-1h", from: 0, to: 3_600_000, count: 1 }] },
        groups: [],
        expiries: [{ what: "root CA", notAfter: now + 3650 * day, renewedByItself: false }],
      }),
    },
  } as unknown as Partial<Operations>;
}

function notFound(): FleetError {
  return new FleetError("not-found", "there is no device edge-9", { hint: "fleetcert device list" });
}
