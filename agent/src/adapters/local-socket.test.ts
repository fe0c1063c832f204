import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FleetError } from "@fleetcert/shared";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { askLocalSocket, type LocalHandler, serveLocalSocket } from "./local-socket.ts";

let directory: string;
let path: string;
let server: { close(): Promise<void> } | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetcert-socket-"));
  path = join(directory, "agent.sock");
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(directory, { recursive: true, force: true });
});

const serve = async (handle: LocalHandler) => {
  server = await serveLocalSocket(path, handle);
};

describe("the local socket", () => {
  it("answers what it is asked", async () => {
    await serve(async (method, resource) => ({ method, resource }));
    expect(await askLocalSocket(path, "GET", "/v1/status?x=1")).toEqual({ method: "GET", resource: "/v1/status?x=1" });
  });

  it("hands a typed error through, and hides any other", async () => {
    await serve(async (_, resource) => {
      if (resource === "/typed") throw new FleetError("conflict", "a rotation is under way", { hint: "wait" });
      throw new Error("secret path /etc/shadow");
    });
    await expect(askLocalSocket(path, "POST", "/typed")).rejects.toMatchObject({
      code: "conflict",
      message: "a rotation is under way",
      hint: "wait",
    });
    await expect(askLocalSocket(path, "POST", "/other")).rejects.toMatchObject({
      code: "internal",
      message: "the agent failed to answer",
    });
  });

  it("is not open to everybody on the host", async () => {
    await serve(async () => ({}));
    expect((await stat(path)).mode & 0o007).toBe(0);
  });

  it("replaces what a dead process left behind", async () => {
    await writeFile(path, "");
    await serve(async () => "alive");
    expect(await askLocalSocket(path, "GET", "/")).toBe("alive");
  });

  it("says that nobody is there, rather than failing", async () => {
    expect(await askLocalSocket(path, "GET", "/")).toBeUndefined();
  });

  it("survives a client that sends no HTTP, or goes away", async () => {
    await serve(async () => "alive");
    const garbage = connect(path);
    await new Promise<void>((resolve) => {
      garbage.on("error", () => undefined);
      garbage.on("close", () => resolve());
      garbage.write(Buffer.alloc(100_000, 0xff));
      garbage.resume();
    });
    connect(path).on("connect", function (this: ReturnType<typeof connect>) {
      this.destroy();
    });
    expect(await askLocalSocket(path, "GET", "/")).toBe("alive");
  });

  it("says what to do about a path that is too long", async () => {
    const long = join(directory, "x".repeat(120), "agent.sock");
    await expect(serveLocalSocket(long, async () => ({}))).rejects.toMatchObject({ code: "data-directory" });
  });
});
