import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assembleSigned, encodeTbsCrl, pemEncode, subjectKeyIdOf } from "@fleetcert/shared";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { aRoot, testNow } from "../../../../test/support/pki/fleet-trust.ts";
import { openListOutput } from "./list-output.ts";

const { signal } = new AbortController();
const ours = pemEncode("X509 CRL", Buffer.from("ours"));
const theirs = pemEncode("X509 CRL", Buffer.from("theirs"));
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetcert-lists-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const outputWith = (command?: readonly string[], timeout = 10_000) =>
  openListOutput({
    file: join(directory, "out", "crl.pem"),
    include: [],
    ...(command && { reload: { command, timeout } }),
  });

/** PEM of an empty list of an authority. */
async function aList(commonName: string): Promise<string> {
  const { signer, certificate } = await aRoot(commonName);
  const tbs = encodeTbsCrl({
    ...{ issuer: certificate.subject.der, authorityKeyId: subjectKeyIdOf(signer.spki), entries: [], crlNumber: 1 },
    ...{ thisUpdate: testNow, nextUpdate: testNow + 1000, signatureAlgorithmOf: signer.algorithm },
  });
  return pemEncode("X509 CRL", assembleSigned(tbs, signer.algorithm, await signer.sign(tbs)));
}

describe("a file of lists", () => {
  it("is replaced as a whole, with the lists of other authorities behind ours", async () => {
    const include = join(directory, "root.pem");
    await writeFile(include, `a comment\n${theirs}`);
    const output = openListOutput({ file: join(directory, "out", "crl.pem"), include: [include] });
    await output.replace(ours);
    await output.replace(ours);
    await output.reload(signal);
    expect(await readFile(join(directory, "out", "crl.pem"), "utf8")).toBe(ours + theirs);
    expect(await readdir(join(directory, "out"))).toEqual(["crl.pem"]);
  });

  it("stays as it was when a list of another authority cannot be read", async () => {
    await outputWith().replace(ours);
    const include = [join(directory, "missing.pem")];
    const output = openListOutput({ file: join(directory, "out", "crl.pem"), include });
    await expect(output.replace(theirs)).rejects.toMatchObject({ code: "data-directory" });
    expect(await readFile(join(directory, "out", "crl.pem"), "utf8")).toBe(ours);
  });
});

describe("the command that tells its reader", () => {
  it("is another one once the lists of an authority have left the file, also after a crash before it ran", async () => {
    const [first, second] = await Promise.all(["First", "Second"].map(aList));
    const seen = join(directory, "seen");
    const hook = (word: string) => ({ command: ["/bin/sh", "-c", `echo ${word} >> ${seen}`], timeout: 10_000 });
    const anOutput = () =>
      openListOutput({
        ...{ file: join(directory, "out", "crl.pem"), include: [] },
        ...{ reload: hook("reload"), restart: hook("restart") },
      });
    const give = async (...lists: (string | undefined)[]) => {
      const output = anOutput();
      await output.replace(lists.join(""));
      await output.reload(signal);
    };
    await give(first, second);
    await give(second, first);
    await anOutput().replace(first ?? "");
    // Killed here: the next agent hands the same over, and the reader has forgotten nothing yet.
    await give(first);
    await give(first);
    expect((await readFile(seen, "utf8")).split("\n")).toEqual(["reload", "reload", "restart", "reload", ""]);
    const failing = { ...hook("x"), command: ["/bin/false"] };
    const output = openListOutput({ file: join(directory, "out", "crl.pem"), include: [], restart: failing });
    await output.replace(second ?? "");
    await expect(output.reload(signal)).rejects.toMatchObject({ code: "hook-failed" });
    await give(second);
    expect(await readFile(seen, "utf8")).toMatch(/restart\n$/);
  });

  it("gets its arguments as they are: there is no shell", async () => {
    const file = join(directory, "seen");
    await outputWith(["/bin/sh", "-c", 'printf %s "$1" > "$2"', "x", "$(id); *", file]).reload(signal);
    expect(await readFile(file, "utf8")).toBe("$(id); *");
  });

  it("sees nothing of the agent's environment but the path", async () => {
    vi.stubEnv("FLEETCERT_AGENT_SECRET", "s3cret");
    const file = join(directory, "env");
    await outputWith(["/bin/sh", "-c", 'env > "$0"', file]).reload(signal);
    vi.unstubAllEnvs();
    expect(await readFile(file, "utf8")).not.toContain("s3cret");
  });

  it.each([
    [["/bin/sh", "-c", "echo no such unit >&2; exit 3"], "ended with 3: no such unit"],
    [["/nonexistent/program"], "cannot be started"],
  ])("is said to have failed: %j", async (command, message) => {
    await expect(outputWith(command).reload(signal)).rejects.toMatchObject({
      code: "hook-failed",
      message: expect.stringContaining(message),
    });
  });

  it("is killed with all its children when it takes too long", async () => {
    const file = join(directory, "pid");
    const command = ["/bin/sh", "-c", 'sleep 60 & echo $! > "$0"; wait', file];
    await expect(outputWith(command, 500).reload(signal)).rejects.toMatchObject({ code: "timeout" });
    const pid = (await readFile(file, "utf8")).trim();
    await vi.waitFor(() => expect(stateOf(pid)).toMatch(/^$|Z/), 5000);
  });

  it("is killed when the agent ends", async () => {
    const end = new AbortController();
    const reloading = outputWith(["sleep", "60"]).reload(end.signal);
    end.abort();
    await expect(reloading).rejects.toMatchObject({ code: "hook-failed" });
  });

  it("may print without end; the end of it is kept", async () => {
    const command = ["/bin/sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 1"];
    const error = await outputWith(command)
      .reload(signal)
      .catch((cause: unknown) => cause as Error);
    expect((error as Error).message.length).toBeLessThan(3000);
  });

  it("may leave a service running that holds its output open", async () => {
    const started = performance.now();
    await outputWith(["/bin/sh", "-c", "sleep 3 & exit 0"]).reload(signal);
    expect(performance.now() - started).toBeLessThan(2500);
  });
});

function stateOf(pid: string): string {
  if (!existsSync(`/proc/${pid}`)) return "";
  return execFileSync("ps", ["-o", "state=", "-p", pid], { encoding: "utf8" }).trim();
}
