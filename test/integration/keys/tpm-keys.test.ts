import { createPublicKey, verify } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openKeyProvider } from "@fleetcert/hw";
import {
  encodePublicArea,
  encodeTpmKey,
  isFleetError,
  objectAttributes,
  parsePublicArea,
  parseTpmKey,
  pemDecode,
  pemEncode,
  Secret,
  tpmJoin,
  tpmSized,
  tpmU32,
} from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noAuthorization } from "../../../hw/src/tpm/authorization.ts";
import { readFacts, readHandles } from "../../../hw/src/tpm/commands/capabilities.ts";
import { changeHierarchyAuth } from "../../../hw/src/tpm/commands/hierarchies.ts";
import { createPrimary, flushContext } from "../../../hw/src/tpm/commands/objects.ts";
import { startSession } from "../../../hw/src/tpm/commands/sessions.ts";
import { signDigest } from "../../../hw/src/tpm/commands/signing.ts";
import { inSession } from "../../../hw/src/tpm/open-session.ts";
import { openTransport } from "../../../hw/src/tpm/open-transport.ts";
import { SocketTransport } from "../../../hw/src/tpm/socket-transport.ts";
import { signingKeyTemplate, storageRootTemplate } from "../../../hw/src/tpm/templates.ts";
import { parseTpmAddress } from "../../../hw/src/tpm/tpm-address.ts";
import { TpmConnection } from "../../../hw/src/tpm/tpm-connection.ts";
import { owner } from "../../../hw/src/tpm/tpm-object.ts";
import type { TpmTransport } from "../../../hw/src/tpm/transport.ts";
import { freePort } from "../../../scripts/demo/free-ports.ts";
import { keyProviderContract } from "../../contracts/key-provider.ts";
import { tpmTransportContract } from "../../contracts/tpm-transport.ts";
import { type Swtpm, startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([swtpmPart], "keys in a TPM", () => {
  describe.each([
    ["a bare TPM", false],
    ["a TPM with a P-384 endorsement key", true],
  ])("%s", (name, manufactured) => {
    let tpm: Swtpm;
    beforeAll(async () => {
      tpm = await startSwtpm({ manufactured });
    });
    afterAll(() => tpm.stop());

    keyProviderContract(name, () => openIn(tpm, "contract"), {
      algorithms: ["P-256", "RSA-2048"],
      absentRef: () => `tpm2:${"ab".repeat(32)}`,
    });
  });

  tpmTransportContract("swtpm on a unix socket", () => transportWorld({}));
  tpmTransportContract("swtpm on TCP", async () => transportWorld({ tcpPort: await freePort() }));

  describe("at work", () => {
    let tpm: Swtpm;
    beforeAll(async () => {
      tpm = await startSwtpm();
    });
    afterAll(() => tpm.stop());

    it("keeps one file a key that only its user can read", async () => {
      const provider = await openIn(tpm, "files");
      const key = await provider.generate({ algorithm: "P-256", label: "identity/1" });
      const directory = join(tpm.directory, "files");
      expect(statSync(directory).mode & 0o777).toBe(0o700);
      expect(readdirSync(directory)).toEqual([`${key.id}.pem`]);
      expect(statSync(join(directory, `${key.id}.pem`)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(directory, `${key.id}.pem`), "utf8")).toMatch(
        /^label: identity\/1\n-----BEGIN TSS2 PRIVATE KEY-----\n/,
      );
      await provider.close();
    });

    it("leaves no key and no session in the TPM's slots, however many keys are used", async () => {
      const provider = await openIn(tpm, "slots");
      const keys = [];
      for (let index = 0; index < 5; index++)
        keys.push(await provider.generate({ algorithm: "P-256", label: `${index}` }));
      for (const key of [...keys, ...keys.toReversed()]) expect(isSigned(key, await key.sign(message))).toBe(true);
      await provider.close();
      expect(occupied(tpm)).toEqual([]);
    });

    it("frees the slots that a killed program left occupied", async () => {
      const leaky = connectionTo(tpm);
      for (let count = 0; count < 3; count++) createPrimary(leaky, { hierarchy: owner, template: storageRootTemplate });
      for (let count = 0; count < 3; count++)
        startSession(leaky, { kind: "policy", hash: "sha256", nonce: new Uint8Array(32) });
      expect(() => createPrimary(leaky, { hierarchy: owner, template: storageRootTemplate })).toThrow(
        "TPM_RC_OBJECT_MEMORY",
      );
      leaky.close();
      const provider = await openIn(tpm, "leak");
      const key = await provider.generate({ algorithm: "P-256", label: "a" });
      expect(isSigned(key, await key.sign(message))).toBe(true);
      await provider.close();
    });

    it("signs on after the TPM lost power, with the key it had", async () => {
      const provider = await openIn(tpm, "restart");
      const key = await provider.generate({ algorithm: "P-256", label: "a" });
      expect(isSigned(key, await key.sign(message))).toBe(true);
      await tpm.restart();
      expect(isSigned(key, await key.sign(message))).toBe(true);
      await provider.close();
    });

    it("makes and loads keys on after the TPM lost power, though the parked storage key is void", async () => {
      const provider = await openIn(tpm, "parked");
      const one = await provider.generate({ algorithm: "P-256", label: "one" });
      const two = await provider.generate({ algorithm: "P-256", label: "two" });
      await tpm.restart();
      const three = await provider.generate({ algorithm: "P-256", label: "three" });
      await tpm.restart();
      for (const key of [one, two, three, one]) expect(isSigned(key, await key.sign(message))).toBe(true);
      await provider.close();
      expect(occupied(tpm)).toEqual([]);
    });

    it("destroys a key without the TPM", async () => {
      const gone = await startSwtpm();
      const directory = join(tpm.directory, "gone");
      const provider = await openKeyProvider({ kind: "tpm", tpm: gone.address, directory });
      const key = await provider.generate({ algorithm: "P-256", label: "a" });
      await key.sign(message);
      await gone.stop();
      await provider.destroy(key.ref);
      await provider.close();
      expect(readdirSync(directory)).toEqual([]);
    });

    it("says so, and does not use it, when a key was made by another TPM", async () => {
      const other = await startSwtpm();
      const there = await openIn(other, "made");
      const { ref, id } = await there.generate({ algorithm: "P-256", label: "a" });
      await there.close();
      const here = await openIn(tpm, "moved");
      const file = readFileSync(join(other.directory, "made", `${id}.pem`));
      writeFileSync(join(tpm.directory, "moved", `${id}.pem`), file);
      const key = await here.open(ref);
      await expect(key.sign(message)).rejects.toMatchObject({
        code: "token-error",
        message: expect.stringContaining("TPM_RC_INTEGRITY"),
        hint: expect.stringContaining("another TPM"),
      });
      await here.close();
      await other.stop();
    });

    it("says which file is damaged, and refuses one that holds another key", async () => {
      const provider = await openIn(tpm, "damaged");
      const one = await provider.generate({ algorithm: "P-256", label: "one" });
      const two = await provider.generate({ algorithm: "P-256", label: "two" });
      const file = (id: string): string => join(tpm.directory, "damaged", `${id}.pem`);
      writeFileSync(file(one.id), readFileSync(file(two.id)));
      await expect(provider.open(one.ref)).rejects.toMatchObject({ code: "key-store-unavailable" });
      for (const text of [
        "nonsense",
        "label: x\n",
        "label: x\n-----BEGIN TSS2 PRIVATE KEY-----\nMAA=\n-----END TSS2 PRIVATE KEY-----\n",
      ]) {
        writeFileSync(file(one.id), text);
        await expect(provider.open(one.ref)).rejects.toThrowError(new RegExp(one.id));
      }
      await provider.close();
    });

    it("refuses a key file whose key may leave the TPM or was made elsewhere", async () => {
      const provider = await openIn(tpm, "loose");
      const { id, ref } = await provider.generate({ algorithm: "P-256", label: "a" });
      const path = join(tpm.directory, "loose", `${id}.pem`);
      const [der = new Uint8Array(0)] = pemDecode(readFileSync(path, "utf8"), "TSS2 PRIVATE KEY");
      const { publicArea, privateArea } = parseTpmKey(der);
      const area = parsePublicArea(publicArea);
      const loose = { ...area, attributes: area.attributes & ~objectAttributes.sensitiveDataOrigin };
      const changed = encodeTpmKey({ publicArea: encodePublicArea(loose), privateArea });
      writeFileSync(path, `label: a\n${pemEncode("TSS2 PRIVATE KEY", changed)}`);
      await expect(provider.open(ref)).rejects.toMatchObject({ code: "key-attributes-wrong" });
      await provider.close();
    });

    it("refuses algorithms the TPM has not, malformed references and labels, and makes no key", async () => {
      const provider = await openIn(tpm, "refused");
      await expect(provider.generate({ algorithm: "Ed25519", label: "a" })).rejects.toMatchObject({
        code: "token-error",
        hint: expect.stringContaining("P-256"),
      });
      await expect(provider.generate({ algorithm: "P-256", label: "two\nlines" })).rejects.toMatchObject({
        code: "request-invalid",
      });
      for (const ref of ["tpm2:", "tpm2:../x", `software:${"ab".repeat(32)}`])
        await expect(provider.open(ref)).rejects.toMatchObject({ code: "request-invalid" });
      expect(await provider.list("")).toEqual([]);
      await provider.close();
      await expect(provider.list("")).rejects.toMatchObject({ code: "key-store-unavailable" });
    });

    it("gives up after its bound when another program holds the only connection", async () => {
      const first = connectionTo(tpm);
      readFacts(first);
      const address = parseTpmAddress(tpm.address);
      if (address.kind === "device") throw new Error("an emulator is expected");
      const second = new TpmConnection(new SocketTransport(address, { timeoutMs: 200 }));
      expect(() => readFacts(second)).toThrow(expect.objectContaining({ code: "timeout", retry: true }));
      second.close();
      first.close();
    });
  });

  it("signs on in a lockout that somebody else caused, and says so to whoever asks", async () => {
    const tpm = await startSwtpm();
    const connection = connectionTo(tpm);
    const guarded = { handle: createGuardedKey(connection), name: new Uint8Array(0) };
    const guess = () =>
      signDigest(connection, { key: guarded, digest: new Uint8Array(32), scheme: { name: "ecdsa", hash: "sha256" } });
    const seen = Array.from({ length: 6 }, () => refusalOf(guess));
    expect(seen.every((error) => isFleetError(error, "pin-refused"))).toBe(true);
    expect(seen.at(-1)).toMatchObject({ message: "TPM2_Sign failed: TPM_RC_LOCKOUT", retry: false });
    expect(readFacts(connection).isLockedOut).toBe(true);
    connection.close();
    const provider = await openIn(tpm, "lockout");
    const key = await provider.generate({ algorithm: "P-256", label: "a" });
    expect(isSigned(key, await key.sign(message))).toBe(true);
    await provider.close();
    await tpm.stop();
  });

  describe("with an owner's authorisation value", () => {
    const ownerAuth = Secret.of("the owner's own secret");
    let tpm: Swtpm;
    beforeAll(async () => {
      tpm = await startSwtpm();
      const { connection, sent } = recorded(tpm);
      inSession(
        connection,
        { authAfterwards: ownerAuth, protection: { command: true, response: false } },
        (authorization) => changeHierarchyAuth(connection, { hierarchy: owner, authorization, auth: ownerAuth }),
      );
      connection.close();
      expect(sent().includes(ownerAuth.reveal())).toBe(false);
    });
    afterAll(() => tpm.stop());

    it("makes and uses keys with it", async () => {
      const provider = await openIn(tpm, "owned", ownerAuth);
      const key = await provider.generate({ algorithm: "P-256", label: "a" });
      expect(isSigned(key, await key.sign(message))).toBe(true);
      await provider.close();
      expect(occupied(tpm)).toEqual([]);
    });

    it("never sends it in the clear", () => {
      const { connection, sent } = recorded(tpm);
      inSession(connection, { auth: ownerAuth, protection: { command: true, response: true } }, (authorization) => {
        const { handle } = createPrimary(connection, {
          hierarchy: owner,
          template: storageRootTemplate,
          authorization,
        });
        flushContext(connection, handle);
      });
      connection.close();
      expect(sent().length).toBeGreaterThan(200);
      expect(sent().includes(ownerAuth.reveal())).toBe(false);
    });

    it("says pin-refused without it or with a wrong one, leaves nothing behind, and provokes no lockout", async () => {
      for (let attempt = 0; attempt < 40; attempt++) {
        await expect(openIn(tpm, "refused", Secret.of("wrong"))).rejects.toMatchObject({ code: "pin-refused" });
      }
      const provider = await openIn(tpm, "refused");
      await expect(provider.generate({ algorithm: "P-256", label: "a" })).rejects.toMatchObject({
        code: "pin-refused",
      });
      await provider.close();
      expect(occupied(tpm)).toEqual([]);
      const connection = connectionTo(tpm);
      expect(readFacts(connection).isLockedOut).toBe(false);
      connection.close();
    });
  });
});

function openIn(tpm: Swtpm, directory: string, ownerAuth?: Secret) {
  const access = ownerAuth === undefined ? {} : { ownerAuth: () => ownerAuth };
  return openKeyProvider({ kind: "tpm", tpm: tpm.address, directory: join(tpm.directory, directory), ...access });
}

/** A key with an authorisation value that counts towards a lockout, as other programs make them. */
function createGuardedKey(connection: TpmConnection): number {
  const template = signingKeyTemplate("P-256");
  const attributes = template.attributes & ~objectAttributes.noDictionaryAttack;
  const sensitive = tpmSized(tpmSized(Buffer.from("its secret")), tpmSized());
  const area = tpmSized(encodePublicArea({ ...template, attributes }));
  const command = {
    name: "TPM2_CreatePrimary",
    code: 0x131,
    handles: [owner],
    authorizations: [noAuthorization],
    parameters: tpmJoin(sensitive, area, tpmSized(), tpmU32(0)),
    givesHandle: true,
  };
  return connection.run(command, ({ handle, parameters }) => {
    parameters.take(parameters.bytes.length - parameters.position);
    return handle;
  });
}

function refusalOf(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

const connectionTo = (tpm: Swtpm): TpmConnection => new TpmConnection(openTransport(parseTpmAddress(tpm.address)));

/** What somebody would hear who listens on the bus. */
function recorded(tpm: Swtpm) {
  const transport = openTransport(parseTpmAddress(tpm.address));
  const heard: Uint8Array[] = [];
  const listening: TpmTransport = {
    transact(command) {
      const response = transport.transact(command);
      heard.push(command, response);
      return response;
    },
    close: () => transport.close(),
  };
  return { connection: new TpmConnection(listening), sent: () => Buffer.concat(heard).toString("latin1") };
}

function occupied(tpm: Swtpm): number[] {
  const connection = connectionTo(tpm);
  const handles = [0x80, 0x02, 0x03].flatMap((kind) => readHandles(connection, kind));
  connection.close();
  return handles;
}

function isSigned({ spki }: { readonly spki: Uint8Array }, signature: Uint8Array): boolean {
  return verify("sha256", message, createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" }), signature);
}

async function transportWorld({ tcpPort }: { readonly tcpPort?: number }) {
  const tpm = await startSwtpm(tcpPort === undefined ? {} : { tcpPort });
  const nowhere = tcpPort === undefined ? "swtpm:path=/nowhere/tpm.sock" : "swtpm:host=127.0.0.1,port=1";
  return {
    open: () => openTransport(parseTpmAddress(tpm.address)),
    openNowhere: () => openTransport(parseTpmAddress(nowhere)),
    interrupt: () => tpm.restart(),
    stop: () => tpm.stop(),
  };
}

const message = Buffer.from("a message");
