import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { SessionPool } from "./session-pool.ts";

describe("a session pool", () => {
  it.each([1, 2, 3, 10])("runs every call on a token that has %i sessions, one call a session", async (room) => {
    const token = aToken(room);
    const pool = new SessionPool(token);
    const calls = Array.from({ length: 40 }, (_, index) =>
      pool.use(async (session) => {
        token.begin(session);
        await setImmediate();
        token.end(session);
        return index;
      }),
    );
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 40 }, (_, index) => index));
    expect(token.most).toBe(Math.min(room, 4));
    await pool.close();
    expect(token.left).toBe(0);
  });

  it("says what a token without any session says", async () => {
    const pool = new SessionPool(aToken(0));
    await expect(pool.use(async () => "never")).rejects.toThrow("CKR_SESSION_COUNT");
    await pool.close();
  });
});

function aToken(room: number) {
  const sessions = new Set<Buffer>();
  const busy = new Set<Buffer>();
  let most = 0;
  return {
    get most() {
      return most;
    },
    get left() {
      return sessions.size;
    },
    open(): Buffer {
      if (sessions.size >= room) throw new Error("CKR_SESSION_COUNT:177");
      const session = Buffer.alloc(8, sessions.size);
      sessions.add(session);
      return session;
    },
    begin(session: Buffer): void {
      if (busy.has(session)) throw new Error("two calls in one session");
      busy.add(session);
      most = Math.max(most, busy.size);
    },
    end: (session: Buffer) => void busy.delete(session),
    close: (session: Buffer) => void sessions.delete(session),
  };
}
