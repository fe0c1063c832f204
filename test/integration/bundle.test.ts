import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { administrator, type RealController, realController } from "../support/controller/real-controller.ts";
import { softHsmPart, startSoftHsm } from "../support/keys/softhsm.ts";
import { startSwtpm, swtpmPart } from "../support/keys/swtpm.ts";
import { tlsAddonPart } from "../support/keys/tls-addon.ts";
import { describeWith } from "../support/programs/optional-part.ts";

const folder = mkdtempSync(join(tmpdir(), "fleetcert-bundle-"));
const agent = join(folder, "dist", "fleetcert-agent.mjs");
const controllerProgram = join(folder, "dist", "fleetcert.mjs");
const env = process.env;
env["PATH"] = `${dirname(process.execPath)}${delimiter}${env["PATH"]}`;

beforeAll(() => {
  const script = join(import.meta.dirname, "../../scripts/bundle.mjs");
  execFileSync(process.execPath, [script, join(folder, "dist")], { stdio: "ignore" });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a program by its own first line, from a folder without any of its packages. */
async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { cwd: folder, env });
  return stdout;
}

describe("the bundled programs", () => {
  it.each([agent, controllerProgram])("say what they can do: %s", async (program) => {
    expect(await run(program, "--help")).toContain("Usage: fleetcert");
  });

  it("explain an error", async () => {
    expect(await run(controllerProgram, "explain", "offline")).toContain("offline");
  });
});

describe("a service that starts a bundled program itself", () => {
  it.each([
    ["fleetcert-agent.service", agent],
    ["fleetcert.service", controllerProgram],
  ])("gives Node what the program's own first line gives it: %s", (unit, program) => {
    const text = readFileSync(join(import.meta.dirname, "../../deploy/systemd", unit), "utf8").replaceAll("\\\n", "");
    const [firstLine = ""] = readFileSync(program, "utf8").split("\n");
    const given = new Set(text.match(/^(?:ExecStart|Environment)=.*$/gm)?.flatMap((line) => line.split(/[\s=]+/)));
    const wanted = firstLine.split(/[\s=]+/).filter((word) => /^--|^MALLOC/.test(word));
    expect(wanted.length).toBeGreaterThan(0);
    expect(wanted.filter((word) => !given.has(word))).toEqual([]);
  });
});

describe("the bundled agent", () => {
  let controller: RealController;
  beforeAll(async () => {
    controller = await realController();
  });
  afterAll(async () => await controller.close());

  /** Enrols, and gives what the agent and the controller then say of the device. */
  async function enrol(device: string, options: readonly string[]) {
    const claimFile = join(folder, `${device}.claim`);
    writeFileSync(claimFile, await controller.claim(), { mode: 0o600 });
    const { operational, bootstrap } = controller.endpoints;
    const data = `--data=${join(folder, device)}`;
    const address = [`--controller=127.0.0.1:${operational.port}`, `--bootstrap-port=${bootstrap.port}`];
    await run(agent, "enrol", data, ...address, `--claim-file=${claimFile}`, `--device-id=${device}`, ...options);
    const status = JSON.parse(await run(agent, "status", data, "--json")) as { slots: { journal: string }[] };
    const { certificates } = await controller.running.operations.devices.show(administrator, device);
    return { journal: status.slots[0]?.journal, certificates };
  }

  it("enrols with a real controller and a software key", async () => {
    const { journal, certificates } = await enrol("soft", []);
    expect(journal).toBe("idle");
    expect(certificates).toMatchObject([{ generation: 1, state: "proven", protection: "software" }]);
  });

  describeWith([softHsmPart, tlsAddonPart], "with a token", () => {
    it("finds its native parts and enrols with a key on SoftHSM2", async () => {
      const hsm = startSoftHsm();
      const { tokenLabel, pin } = hsm.createToken();
      const pinFile = join(folder, "pin");
      writeFileSync(pinFile, pin.reveal(), { mode: 0o600 });
      const { certificates } = await enrol("hard", [
        "--keys=pkcs11",
        `--pkcs11-module=${hsm.modulePath}`,
        `--token=${tokenLabel}`,
        `--pin-file=${pinFile}`,
      ]);
      expect(certificates).toMatchObject([{ generation: 1, state: "proven", protection: "token" }]);
      hsm.remove();
    });
  });

  describeWith([swtpmPart, tlsAddonPart], "with a TPM", () => {
    it("finds the thread that talks to it and enrols with a key in it", async () => {
      const tpm = await startSwtpm();
      const { certificates } = await enrol("measured", ["--keys=tpm", `--tpm=${tpm.address}`]);
      expect(certificates).toMatchObject([{ generation: 1, state: "proven" }]);
      await tpm.stop();
    });
  });
});
