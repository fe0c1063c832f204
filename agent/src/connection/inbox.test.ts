import { describe, expect, it } from "vitest";
import { KeptLog, settled } from "../../../test/support/agent/agent-surroundings.ts";
import { Inbox } from "./inbox.ts";

function anInbox() {
  const log = new KeptLog();
  const inbox = new Inbox(log);
  const handled: string[] = [];
  const put = (name: string, isTrust = false) => inbox.put(async () => void handled.push(name), { isTrust });
  return { inbox, handled, put, log };
}

describe("what came in on a session", () => {
  it("waits until the session is ready, but for trust; then it goes in order", async () => {
    const { inbox, handled, put } = anInbox();
    put("head 1");
    put("trust", true);
    put("head 2");
    await settled();
    expect(handled).toEqual(["trust"]);
    inbox.release(async () => void handled.push("connected"));
    put("head 3");
    await settled();
    expect(handled).toEqual(["trust", "connected", "head 1", "head 2", "head 3"]);
  });

  it("is handled one after the other, and goes on after a handler that failed", async () => {
    const { inbox, handled, put, log } = anInbox();
    const slow = Promise.withResolvers<void>();
    inbox.release(() => slow.promise);
    inbox.put(async () => expect.fail("broken"), { isTrust: false });
    put("after");
    await settled();
    expect(handled).toEqual([]);
    slow.resolve();
    await settled();
    expect(handled).toEqual(["after"]);
    expect(log.lines.map(({ event }) => event)).toEqual(["incoming message not handled"]);
  });

  it("has a bound, and takes again what comes when there is room", async () => {
    const { inbox, put } = anInbox();
    for (let count = 0; count < 2048; count++) expect(put("held")).toBe(true);
    expect(put("too much")).toBe(false);
    inbox.release(async () => undefined);
    await settled();
    await expect.poll(() => put("again")).toBe(true);
  });
});
