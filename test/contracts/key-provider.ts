import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyAlgorithm, OpenKeyProvider, ProviderKey } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/**
 * What every key provider must do. `open` opens the same store each time it is called; keys made before are there.
 * `algorithms` are the ones the suite makes keys of; `absentRef` is a well-formed ref of a key that is not there.
 */
export function keyProviderContract(
  name: string,
  open: () => Promise<OpenKeyProvider>,
  { algorithms, absentRef }: { readonly algorithms: readonly KeyAlgorithm[]; readonly absentRef: () => string },
): void {
  describe(`key provider contract: ${name}`, () => {
    let provider: OpenKeyProvider;
    beforeAll(async () => {
      provider = await open();
    });
    afterAll(async () => {
      await provider.close();
    });

    it("says what it is and which algorithms it has", () => {
      expect(provider.info.description).not.toBe("");
      expect(provider.info.algorithms).toEqual(expect.arrayContaining([...algorithms]));
    });

    describe.each(algorithms)("%s", (algorithm) => {
      it("makes a key whose id is the SHA-256 of its SPKI", async () => {
        const key = await provider.generate({ algorithm, label: `contract/${algorithm}` });
        expect(key).toMatchObject({ algorithm, label: `contract/${algorithm}`, protection: provider.info.protection });
        expect(key.id).toBe(createHash("sha256").update(key.spki).digest("hex"));
        expect(createPublicKey({ key: Buffer.from(key.spki), format: "der", type: "spki" }).type).toBe("public");
      });

      it("signs so that node:crypto and OpenSSL verify it", async () => {
        const key = await provider.generate({ algorithm, label: "contract/sign" });
        for (const message of [Buffer.alloc(0), Buffer.from("hello"), randomBytes(100_000)]) {
          const signature = await key.sign(message);
          expect(isVerifiedByNode(key, message, signature)).toBe(true);
          if (message.length > 0) expect(isVerifiedByOpenSsl(key, message, signature)).toBe(true);
          expect(isVerifiedByNode(key, Buffer.concat([message, Buffer.of(1)]), signature)).toBe(false);
        }
      });

      it("opens a key by its ref after the provider was closed and opened again", async () => {
        const first = await open();
        const made = await first.generate({ algorithm, label: "contract/reopen" });
        await first.close();
        const second = await open();
        const found = await second.open(made.ref);
        expect(found).toMatchObject({ ref: made.ref, id: made.id, label: made.label, algorithm, spki: made.spki });
        const message = Buffer.from("after the restart");
        expect(isVerifiedByNode(made, message, await found.sign(message))).toBe(true);
        await second.close();
      });
    });

    const [algorithm = "P-256"] = algorithms;

    it("signs many messages at once, each with its own signature", async () => {
      const key = await provider.generate({ algorithm, label: "contract/concurrent" });
      const messages = Array.from({ length: 64 }, (_, index) => Buffer.from(`message ${index}`));
      const signatures = await Promise.all(messages.map((message) => key.sign(message)));
      for (const [index, message] of messages.entries()) {
        expect(isVerifiedByNode(key, message, signatures[index] ?? Buffer.alloc(0))).toBe(true);
      }
    });

    it("lists the keys whose label starts with the prefix, and no others", async () => {
      const made = [];
      for (const label of ["list/a/1", "list/a/2", "list/b/1"])
        made.push(await provider.generate({ algorithm, label }));
      const listed = await provider.list("list/a/");
      expect(listed.map(({ label }) => label).sort()).toEqual(["list/a/1", "list/a/2"]);
      expect(listed).toContainEqual({ ref: made[0]?.ref, id: made[0]?.id, label: "list/a/1", algorithm });
      expect(await provider.list("list/")).toHaveLength(3);
      expect(await provider.list("no such label")).toEqual([]);
    });

    it("makes many keys at once while keys are looked for and sign", async () => {
      let isMaking = true;
      const looking = (async () => {
        while (isMaking) {
          await provider.list("contract/many");
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      const message = Buffer.from("from many");
      const making = Array.from({ length: 20 }, async (_, index) => {
        const made = await provider.generate({ algorithm, label: `contract/many/${index}` });
        const signature = await (await provider.open(made.ref)).sign(message);
        return isVerifiedByNode(made, message, signature) && made.id;
      });
      const made = await Promise.all(making).finally(() => {
        isMaking = false;
      });
      await looking;
      const listed = (await provider.list("contract/many/")).map(({ id }) => id);
      expect(listed.toSorted()).toEqual(made.toSorted());
    });

    it("makes two different keys for the same label", async () => {
      const one = await provider.generate({ algorithm, label: "same" });
      const two = await provider.generate({ algorithm, label: "same" });
      expect(one.id).not.toBe(two.id);
      expect(await provider.list("same")).toHaveLength(2);
    });

    it("destroys a key, and is content when it is not there", async () => {
      const key = await provider.generate({ algorithm, label: "destroy" });
      const other = await provider.generate({ algorithm, label: "destroy-not" });
      await provider.destroy(key.ref);
      await provider.destroy(key.ref);
      await provider.destroy(absentRef());
      await expect(provider.open(key.ref)).rejects.toMatchObject({ code: "key-not-found" });
      expect((await provider.list("destroy")).map(({ id }) => id)).toEqual([other.id]);
    });

    it("says key-not-found for a key that is not there", async () => {
      await expect(provider.open(absentRef())).rejects.toMatchObject({ name: "FleetError", code: "key-not-found" });
    });

    it("keeps secrets out of references and the printed key", async () => {
      const key = await provider.generate({ algorithm, label: "printed" });
      expect(key.ref).not.toMatch(/pin/i);
      expect(JSON.stringify(key)).not.toMatch(/PRIVATE KEY|BEGIN/);
    });

    it("is closed twice without an error", async () => {
      const once = await open();
      await once.close();
      await once.close();
    });
  });
}

function isVerifiedByNode(key: ProviderKey, message: Uint8Array, signature: Uint8Array): boolean {
  const publicKey = createPublicKey({ key: Buffer.from(key.spki), format: "der", type: "spki" });
  return verify(hashOf(key.algorithm), message, publicKey, signature);
}

function isVerifiedByOpenSsl(key: ProviderKey, message: Uint8Array, signature: Uint8Array): boolean {
  const directory = mkdtempSync(join(tmpdir(), "fleetcert-verify-"));
  const file = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(directory, name), bytes);
    return join(directory, name);
  };
  const hash = hashOf(key.algorithm);
  const args = ["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"];
  try {
    const files = [
      "-inkey",
      file("spki", key.spki),
      "-in",
      file("message", message),
      "-sigfile",
      file("sig", signature),
    ];
    const output = execFileSync("openssl", [...args, ...files, ...(hash === null ? [] : ["-digest", hash])]);
    return output.toString().includes("Signature Verified Successfully");
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function hashOf(algorithm: KeyAlgorithm): string | null {
  if (algorithm === "Ed25519") return null;
  return algorithm === "P-384" ? "sha384" : "sha256";
}
