import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "@fleetcert/shared";
import { afterAll, describe, expect, it } from "vitest";
import { keyProviderContract } from "../../../test/contracts/key-provider.ts";
import { openKeyProvider } from "../open-key-provider.ts";

const scratch = mkdtempSync(join(tmpdir(), "fleetcert-software-keys-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const passphrase = Secret.of("a long passphrase of the tests");
const openIn = (directory: string, secret = passphrase) =>
  openKeyProvider({ kind: "software", directory, passphrase: secret });

keyProviderContract("software", () => openIn(join(scratch, "contract")), {
  algorithms: ["P-256", "P-384", "RSA-2048", "Ed25519"],
  absentRef: () => `software:${"ab".repeat(32)}`,
});

describe("software keys", () => {
  it("are encrypted PKCS#8 in files that only their user can read", async () => {
    const directory = join(scratch, "files");
    const provider = await openIn(directory);
    const key = await provider.generate({ algorithm: "P-256", label: "web/1" });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory)).toEqual([`${key.id}.pem`]);
    expect(statSync(join(directory, `${key.id}.pem`)).mode & 0o777).toBe(0o600);
    const text = readFileSync(join(directory, `${key.id}.pem`), "utf8");
    expect(text).toContain("-----BEGIN ENCRYPTED PRIVATE KEY-----");
    expect(text).not.toContain("BEGIN PRIVATE KEY");
    expect(text).not.toContain("BEGIN EC PRIVATE KEY");
  });

  it("are read by OpenSSL with the passphrase, and show AES-256 and scrypt", async () => {
    const directory = join(scratch, "openssl");
    const provider = await openIn(directory);
    const key = await provider.generate({ algorithm: "RSA-2048", label: "web/1" });
    const file = join(directory, `${key.id}.pem`);
    const pub = execFileSync("openssl", ["pkey", "-in", file, "-passin", "stdin", "-pubout", "-outform", "DER"], {
      input: `${passphrase.reveal()}\n`,
    });
    expect(new Uint8Array(pub)).toEqual(key.spki);
    const asn1 = execFileSync("openssl", ["asn1parse", "-in", encryptedBlockOf(file)]).toString();
    expect(asn1).toContain("scrypt");
    expect(asn1).toContain("aes-256-cbc");
  });

  it("are refused with another passphrase, before a key is made under it", async () => {
    const directory = join(scratch, "passphrase");
    await (await openIn(directory)).generate({ algorithm: "P-256", label: "a" });
    await expect(openIn(directory, Secret.of("wrong"))).rejects.toMatchObject({
      code: "key-store-unavailable",
      hint: expect.stringContaining("passphrase"),
    });
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it.each([0o755, 0o750, 0o701])("refuses a directory of mode %o", async (mode) => {
    const directory = join(scratch, `mode-${mode}`);
    mkdirSync(directory);
    chmodSync(directory, mode);
    await expect(openIn(directory)).rejects.toMatchObject({
      code: "key-store-unavailable",
      hint: `chmod 700 ${directory}`,
    });
  });

  it("refuses a file or a link in place of the directory", async () => {
    writeFileSync(join(scratch, "plain-file"), "");
    await expect(openIn(join(scratch, "plain-file"))).rejects.toMatchObject({ code: "key-store-unavailable" });
    mkdirSync(join(scratch, "real"), { mode: 0o700 });
    symlinkSync(join(scratch, "real"), join(scratch, "link"));
    await expect(openIn(join(scratch, "link"))).rejects.toMatchObject({ code: "key-store-unavailable" });
  });

  it("forgets what an interrupted write left behind", async () => {
    const directory = join(scratch, "interrupted");
    const key = await (await openIn(directory)).generate({ algorithm: "P-256", label: "a" });
    writeFileSync(join(directory, ".unfinished-0123"), "half a key");
    expect((await (await openIn(directory)).list("")).map(({ id }) => id)).toEqual([key.id]);
    expect(readdirSync(directory)).toEqual([`${key.id}.pem`]);
  });

  it("says which file is damaged, and refuses a file that holds another key", async () => {
    const directory = join(scratch, "damaged");
    const provider = await openIn(directory);
    const one = await provider.generate({ algorithm: "P-256", label: "one" });
    const two = await provider.generate({ algorithm: "P-256", label: "two" });
    writeFileSync(join(directory, `${one.id}.pem`), readFileSync(join(directory, `${two.id}.pem`)));
    await expect(provider.open(one.ref)).rejects.toMatchObject({ code: "key-store-unavailable" });
    writeFileSync(join(directory, `${one.id}.pem`), "nonsense");
    await expect(provider.open(one.ref)).rejects.toThrowError(new RegExp(one.id));
  });

  it.each(["software:", "software:../../etc/passwd", `software:${"AB".repeat(32)}`, "pkcs11:token=x"])(
    "refuses the reference %s",
    async (ref) => {
      const provider = await openIn(join(scratch, "refs"));
      await expect(provider.open(ref)).rejects.toMatchObject({ code: "request-invalid" });
      await expect(provider.destroy(ref)).rejects.toMatchObject({ code: "request-invalid" });
    },
  );

  it.each(["", "two\nlines", "é", "x".repeat(129)])("refuses the label %j and makes no key", async (label) => {
    const directory = join(scratch, "labels");
    const provider = await openIn(directory);
    await expect(provider.generate({ algorithm: "P-256", label })).rejects.toMatchObject({ code: "request-invalid" });
    expect(readdirSync(directory)).toEqual([]);
  });
});

function encryptedBlockOf(file: string): string {
  const block = /-----BEGIN ENCRYPTED[\s\S]*$/.exec(readFileSync(file, "utf8"))?.[0] ?? "";
  writeFileSync(`${file}.block`, block);
  return `${file}.block`;
}
