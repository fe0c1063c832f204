import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseClaimString } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { softHsmPart, startSoftHsm } from "../support/keys/softhsm.ts";
import { tlsAddonPart } from "../support/keys/tls-addon.ts";
import { makeAgentToken } from "../support/keys/tokens-of-agent.ts";
import { describeWith } from "../support/programs/optional-part.ts";
import { endPrograms, type Program, startProgram, untilSeen } from "../support/programs/processes.ts";
import {
  type AgentKeys,
  type AgentPlace,
  askAgent,
  placeAgent,
  startAgentRun,
  untilSettled,
} from "../support/scenarios/scenario-agent.ts";
import { type ControllerPlace, makeController, serve } from "../support/scenarios/scenario-controller.ts";
import {
  leaksIn,
  type NamedSecret,
  octetSecret,
  privateNumbers,
  readFilesBelow,
  readProcesses,
  textSecret,
} from "../support/scenarios/scenario-secrets.ts";

vi.setConfig({ hookTimeout: 300_000 });

describeWith(
  [softHsmPart, tlsAddonPart],
  "an enrolment, a rotation and a revocation, with a token and with files",
  () => {
    const hsm = startSoftHsm();
    const secrets: NamedSecret[] = [];
    const programs: Program[] = [];
    const processes: ReturnType<typeof readProcesses> = [];
    let directory: string;
    let tap: string;
    let controller: ControllerPlace;

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "fc-03-"));
      tap = join(directory, "tap");
      mkdirSync(tap);
      controller = await makeController(join(directory, "controller"));
      await withTap(playAll);
    });

    afterAll(async () => {
      await endPrograms();
      hsm.remove();
      await rm(directory, { recursive: true, force: true });
    });

    it("leaves no private key, PIN, claim secret or passphrase in any file but the declared ones", () => {
      const files = [
        ...readFilesBelow(directory).filter(({ path }) => !path.startsWith(tap)),
        ...readFilesBelow(hsm.directory),
      ];
      expect(files.length).toBeGreaterThan(20);
      expect(files.flatMap((file) => leaksIn(file, secrets))).toEqual([]);
      // What is looked for is where it may be.
      for (const { declared, forms } of secrets) {
        for (const path of declared) expect(forms.some((form) => readFileSync(path).includes(form))).toBe(true);
      }
    });

    it("writes none of them to a log or a terminal", () => {
      const written = programs.map((program) => program.stdout() + program.stderr());
      expect(written.join("").length).toBeGreaterThan(2000);
      expect(written.flatMap((text) => leaksIn({ path: "output", bytes: Buffer.from(text) }, secrets))).toEqual([]);
    });

    it("sends none of them in a message; the claim secret goes in CONNECT to a verified controller only", () => {
      const streams = readFilesBelow(tap);
      expect(streams.length).toBeGreaterThan(10);
      expect(streams.flatMap(({ path, bytes }) => leaksIn({ path, bytes: withoutConnect(bytes) }, secrets))).toEqual(
        [],
      );
      const inConnect = streams.filter((stream) => leaksIn(stream, secrets).length > 0).map(({ bytes }) => bytes);
      expect(inConnect.length).toBeGreaterThan(0);
      for (const bytes of inConnect) expect(bytes.toString("latin1", 0, 60)).toContain("boot-");
    });

    it("gives none of them to a process as argument or environment", () => {
      const ours = processes.filter(({ bytes }) => bytes.includes("fc-03-"));
      expect(ours.length).toBeGreaterThan(3);
      expect(processes.flatMap((place) => leaksIn(place, secrets))).toEqual([]);
    });

    async function playAll(): Promise<void> {
      const serving = await serve(controller, "trace");
      programs.push(serving.program);
      const root = readFileSync(join(controller.data, "secrets/root-passphrase"), "utf8").trim();
      const keystore = readFileSync(join(controller.data, "secrets/keystore-passphrase"), "utf8").trim();
      secrets.push(
        textSecret("root passphrase", root, join(controller.data, "secrets/root-passphrase")),
        textSecret("keystore passphrase", keystore, join(controller.data, "secrets/keystore-passphrase")),
        ...privateNumbers(join(controller.data, "root-key"), root),
      );
      const persons = join(directory, "persons");
      await run("controller", [
        "--data",
        controller.data,
        "operator",
        "create",
        "alice",
        "--role",
        "viewer",
        "--out",
        persons,
      ]);
      const alice = readFileSync(join(persons, "alice.passphrase"), "utf8").trim();
      secrets.push(textSecret("passphrase of a person", alice, join(persons, "alice.passphrase")));
      const ofAlice = privateNumbers(persons, alice);
      expect(ofAlice).toHaveLength(1);
      secrets.push(...ofAlice);
      const token = await makeAgentToken(hsm, "edge-token", directory);
      secrets.push(textSecret("PIN", token.pin, join(directory, "edge-token.pin")), textSecret("SO PIN", token.soPin));
      // One enrols by a command that says little, the other under the eyes of its log.
      const files = { data: join(directory, "edge-files"), device: "edge-files" };
      const claimFile = await makeClaim(files.device);
      const agents = [await enrol("edge-token", token.keys), await placeAgent({ ...files, controller, claimFile })];
      const running = agents.map((agent) => startAgentRun(agent));
      programs.push(...running);
      await Promise.all(agents.map((agent, index) => untilSettled(agent, running[index] as Program, 1)));
      collectNumbers(keystore, agents);
      await run("controller", ["--data", controller.data, "rotate", "--device", ...agents.map(({ device }) => device)]);
      await Promise.all(agents.map((agent, index) => untilSettled(agent, running[index] as Program, 2)));
      collectNumbers(keystore, agents);
      processes.push(...readProcesses());
      for (const agent of agents) await revoke(agent);
      for (const program of programs) if (program.end === undefined) await program.stop();
    }

    async function makeClaim(device: string): Promise<string> {
      const file = join(directory, `${device}.claim`);
      await run("controller", ["--data", controller.data, "claim", "create", "--uses", "1", "--out", file]);
      const { secret } = parseClaimString(readFileSync(file, "utf8"));
      secrets.push(octetSecret(`claim secret of ${device}`, secret.reveal(), file));
      return file;
    }

    async function enrol(device: string, { settings, env }: AgentKeys): Promise<AgentPlace> {
      const { module = "", token = "", pinFile = "" } = settings;
      const data = join(directory, device);
      const { port, bootstrapPort } = controller;
      const address = ["--controller", `127.0.0.1:${port}`, "--bootstrap-port", `${bootstrapPort}`];
      const who = ["--device-id", device, "--claim-file", await makeClaim(device), "--data", data];
      const keys = ["--keys", "pkcs11", "--pkcs11-module", module, "--token", token, "--pin-file", pinFile];
      await run("agent", ["enrol", ...address, ...who, ...keys], env);
      return { device, data, env };
    }

    async function revoke(agent: AgentPlace): Promise<void> {
      const { data } = controller;
      await run("controller", [
        "--data",
        data,
        "revoke",
        "--device",
        agent.device,
        "--reason",
        "keyCompromise",
        "--yes",
      ]);
      const isRefused = async () => ((await askAgent(agent))?.connection?.lastError === "denied" ? true : undefined);
      await untilSeen(isRefused, { within: 20_000, complain: async () => JSON.stringify(await askAgent(agent)) });
    }

    /** Runs a command to its end; what it was called with is looked at while it runs. */
    async function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
      const running = startProgram(`${program}/src/main.ts`, args, env);
      programs.push(running);
      const watch = setInterval(() => processes.push(...readProcesses()), 100);
      await running.ended;
      clearInterval(watch);
      expect(running.end, running.stderr()).toBe(0);
    }

    function collectNumbers(keystore: string, agents: readonly AgentPlace[]): void {
      secrets.push(...privateNumbers(join(controller.data, "keys"), keystore));
      const [, files] = agents;
      const passphraseFile = join(files?.data ?? "", "secrets/keystore-passphrase");
      const passphrase = readFileSync(passphraseFile, "utf8").trim();
      secrets.push(textSecret("passphrase of the agent", passphrase, passphraseFile));
      secrets.push(...privateNumbers(join(files?.data ?? "", "keys"), passphrase));
    }

    async function withTap(play: () => Promise<void>): Promise<void> {
      process.env["FLEETCERT_TAP"] = tap;
      process.env["NODE_OPTIONS"] = `--import=${join(import.meta.dirname, "../support/programs/wire-tap-process.ts")}`;
      try {
        await play();
      } finally {
        delete process.env["FLEETCERT_TAP"];
        delete process.env["NODE_OPTIONS"];
      }
    }
  },
);

describe("the search for secrets", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pin = textSecret("PIN", "PIN-4711-zebra");

  it.each([
    ["a PIN", "log: PIN-4711-zebra", "PIN"],
    ["a PIN in hex", Buffer.from("PIN-4711-zebra").toString("hex"), "PIN"],
    ["a PEM key", privateKey.export({ type: "pkcs8", format: "pem" }), "PEM private key"],
    ["a SEC 1 key in PEM", privateKey.export({ type: "sec1", format: "pem" }), "PEM private key"],
    ["a DER key", privateKey.export({ type: "pkcs8", format: "der" }), "PKCS#8 private key"],
    ["a SEC 1 key", privateKey.export({ type: "sec1", format: "der" }), "SEC 1 private key"],
    ["a key in JSON", privateKey.export({ type: "pkcs8", format: "der" }).toString("base64"), "in base64"],
  ])("finds %s", (_, text, name) => {
    const bytes = Buffer.concat([Buffer.from("before "), Buffer.from(text), Buffer.from(" after")]);
    expect(leaksIn({ path: "a file", bytes }, [pin]).join()).toContain(name);
  });

  it("takes a public key and an encrypted one for no leak", () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const encrypted = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" } as const;
    const text = `${publicKey.export({ type: "spki", format: "pem" })}${privateKey.export(encrypted)}`;
    const der = publicKey.export({ type: "spki", format: "der" });
    expect(leaksIn({ path: "a file", bytes: Buffer.concat([Buffer.from(text), der]) }, [pin])).toEqual([]);
  });
});

/** A stream of MQTT packets without the CONNECT it may begin with. */
function withoutConnect(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x10) return bytes;
  let length = 0;
  let at = 1;
  for (let shift = 0; shift < 28; shift += 7) {
    const octet = bytes[at] ?? 0;
    length |= (octet & 0x7f) << shift;
    at += 1;
    if (octet < 0x80) break;
  }
  return bytes.subarray(at + length);
}
