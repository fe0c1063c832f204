import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import { pemDecode, sha256Hex } from "@fleetcert/shared";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { testPki } from "../../../../test/support/pki/test-pki.ts";
import { softwareIdentity, type TlsIdentity } from "../../../../test/support/pki/tls-identity.ts";
import { probeTls } from "./probe-tls.ts";
import type { StartTls } from "./start-tls.ts";

const closers: (() => void)[] = [];
const { signal } = new AbortController();
let identity: TlsIdentity;

beforeAll(async () => {
  identity = await softwareIdentity(await testPki(), "service");
});
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** What a server says in clear: first at once, then after each line it hears; TLS begins after the last. */
async function serve(says: readonly (string | Buffer)[]): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    talk(socket, [...says]).catch(() => socket.destroy());
  }).listen(0, "127.0.0.1");
  closers.push(() => server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function talk(socket: Socket, says: (string | Buffer)[]): Promise<void> {
  for (let line = says.shift(); line !== undefined; line = says.shift()) {
    if (line.length > 0) socket.write(line);
    if (says.length > 0) await once(socket, "data");
  }
  const secure = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(identity) });
  secure.on("error", () => undefined);
}

const probe = (port: number, startTls: StartTls = "none", timeout = 5_000) =>
  probeTls({ host: "127.0.0.1", port, serverName: "service.example", startTls, timeout }, signal);

describe("looking at a service", () => {
  const answers: readonly (readonly [StartTls, readonly (string | Buffer)[]])[] = [
    ["none", []],
    ["smtp", ["220 mail ready\r\n", "250-mail\r\n250 STARTTLS\r\n", "220 go\r\n"]],
    ["imap", ["* OK ready\r\n", "a OK begin\r\n"]],
    ["postgres", ["", "S"]],
    ["ldap", ["", Buffer.from([0x30, 12, 2, 1, 1, 0x78, 7, 0x0a, 1, 0, 4, 0, 4, 0])]],
  ];

  it.each(answers)("reads the chain it presents: %s", async (startTls, says) => {
    const chain = await probe(await serve(says), startTls);
    const [leaf, issuing] = pemDecode(identity.cert, "CERTIFICATE");
    expect(chain.slice(0, 2).map(sha256Hex)).toEqual([leaf, issuing].map((der) => sha256Hex(der ?? new Uint8Array())));
  });

  const refusals: readonly (readonly [StartTls, readonly string[]])[] = [
    ["smtp", ["220 mail ready\r\n", "250 mail\r\n", "502 no\r\n".repeat(2000)]],
    ["postgres", ["", "N".repeat(9000)]],
    ["imap", ["* BYE\r\n".repeat(2000)]],
  ];

  it.each(refusals)("says so when it does not begin TLS: %s", async (startTls, says) => {
    await expect(probe(await serve([...says, ""]), startTls)).rejects.toMatchObject({ code: "offline" });
  });

  it("does not wait for ever, nor for nobody", async () => {
    const silent = await serve(["", "never"]);
    await expect(probe(silent, "smtp", 100)).rejects.toMatchObject({ code: "timeout" });
    await expect(probe(1)).rejects.toMatchObject({ code: "offline" });
  });
});
