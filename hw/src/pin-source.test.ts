import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { pinSource } from "./pin-source.ts";

describe("a PIN source", () => {
  const directory = mkdtempSync(join(tmpdir(), "fleetcert-pin-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = (name: string, text: string, mode = 0o600): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };
  const program = (name: string, script: string): string => file(name, `#!/bin/sh\n${script}\n`, 0o700);
  const ask = async (text: string, env = {}): Promise<string> => (await pinSource(text, env)()).reveal();

  it("is a file, by path or by URI", async () => {
    const path = file("pin", "1234\n");
    for (const text of [path, `file:${path}`, `file://${path}`]) await expect(ask(text)).resolves.toBe("1234");
    await expect(ask(file("open", "1234", 0o644))).rejects.toMatchObject({ code: "config-invalid" });
  });

  it("is a credential of the service manager, whose access list shows as group bits", async () => {
    file("token-pin", "2345", 0o440);
    const env = { CREDENTIALS_DIRECTORY: directory };
    await expect(ask("credential:token-pin", env)).resolves.toBe("2345");
    file("loose", "2345", 0o444);
    for (const name of ["loose", "absent"]) {
      await expect(ask(`credential:${name}`, env)).rejects.toMatchObject({ code: "config-invalid" });
    }
    await expect(ask("credential:../pin", env)).rejects.toMatchObject({ code: "config-invalid" });
    await expect(ask("credential:token-pin")).rejects.toMatchObject({
      code: "config-invalid",
      hint: expect.stringContaining("LoadCredential"),
    });
  });

  it("is an environment variable by its name, read anew each time", async () => {
    const env = { TOKEN_PIN: "3456" };
    const source = pinSource("env:TOKEN_PIN", env);
    expect((await source()).reveal()).toBe("3456");
    env.TOKEN_PIN = "4567";
    expect((await source()).reveal()).toBe("4567");
    await expect(ask("env:ABSENT")).rejects.toMatchObject({ code: "config-invalid" });
  });

  it("is what a program prints, with fixed arguments and no shell", async () => {
    const path = program("print", 'printf "%s-%s\\n" "$1" "$2"');
    await expect(ask(`|${path} a $HOME`)).resolves.toBe("a-$HOME");
  });

  it.each([
    ["fails", "echo 5678; exit 3", /ended with 3/],
    ["prints nothing", "true", /holds no PIN/],
    ["prints two lines", "echo 5678; echo 5678", /more than one line/],
    ["prints without end", "while :; do echo 56785678567856785678567856785678; done", /more than 4096 bytes/],
  ])("refuses a program that %s, without telling what it printed", async (name, script, text) => {
    const path = program(name.replaceAll(" ", "-"), script);
    const error = await ask(`|${path}`).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "config-invalid", message: expect.stringMatching(text) });
    expect(`${String(error)} ${JSON.stringify(error)} ${String((error as Error).cause)}`).not.toContain("5678");
  });

  it("refuses a program that is not there", async () => {
    await expect(ask(`|${join(directory, "absent")}`)).rejects.toMatchObject({
      message: expect.stringContaining("ENOENT"),
    });
  });

  it("is nothing else, and what it was is not repeated", () => {
    const known = /^(\/|file:.|credential:.|env:.|\|\/)/s;
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom("1234", "pin:1234", "|relative", "file:", "env:")), (text) => {
        fc.pre(!known.test(text));
        let error: unknown;
        try {
          pinSource(text, {});
        } catch (failure) {
          error = failure;
        }
        const message = "the PIN source is none of file:/PATH, credential:NAME, env:NAME and |/PROGRAM";
        expect(error).toMatchObject({ code: "config-invalid", message });
      }),
      { numRuns: 300 },
    );
  });
});
