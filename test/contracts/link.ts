import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Link, Session, SessionEvents, SessionRequest } from "../../agent/src/ports.ts";
import { until } from "../support/until.ts";

/** What the other end of a link saw at CONNECT. */
export interface SeenConnect {
  readonly clientId: string;
  readonly claim: { readonly id: string; readonly secret: string } | undefined;
  /** DER of the client certificate. */
  readonly certificate: Uint8Array | undefined;
}

/** A broker with a link to it, both under the suite's control. */
export interface LinkWorld {
  readonly link: Link;
  readonly operational: Extract<SessionRequest, { type: "operational" }>;
  readonly bootstrap: Extract<SessionRequest, { type: "bootstrap" }>;
  /** The server's chain, leaf first, root last. */
  readonly chain: readonly Uint8Array[];
  readonly connects: readonly SeenConnect[];
  readonly publishes: readonly { readonly topic: string; readonly payload: Uint8Array }[];
  /** Refuses every CONNECT from now on. */
  refuse(): void;
  send(topic: string, payload: Uint8Array, options: { readonly retain: boolean }): Promise<void>;
  /** Drops every session; nobody can connect any more. */
  cut(): Promise<void>;
  close(): Promise<void>;
}

/** What every link must do. */
export function linkContract(name: string, open: () => Promise<LinkWorld>): void {
  describe(`link contract: ${name}`, () => {
    let world: LinkWorld;
    const sessions: Session[] = [];
    beforeEach(async () => {
      world = await open();
    });
    afterEach(async () => {
      for (const session of sessions.splice(0)) await session.close();
      await world.close();
    });

    const connect = async (request: SessionRequest, options: Partial<Parameters<Link["open"]>[1]> = {}) => {
      const heard: { topic: string; payload: string }[] = [];
      const closed: unknown[] = [];
      const events: SessionEvents = {
        message: (topic, payload) => heard.push({ topic, payload: Buffer.from(payload).toString() }),
        closed: (cause) => closed.push(cause),
      };
      const signal = new AbortController().signal;
      const session = await world.link.open(request, { verifyServer: () => undefined, events, signal, ...options });
      sessions.push(session);
      return { session, heard, closed };
    };
    const text = (value: string) => new TextEncoder().encode(value);

    it("shows the server's raw chain, leaf first and root last, before it connects", async () => {
      let shown: readonly Uint8Array[] = [];
      let connectsBefore = -1;
      await connect(world.operational, {
        verifyServer: (chain) => {
          shown = chain;
          connectsBefore = world.connects.length;
        },
      });
      expect(shown.map((der) => Buffer.from(der).toString("hex"))).toEqual(
        world.chain.map((der) => Buffer.from(der).toString("hex")),
      );
      expect(connectsBefore).toBe(0);
    });

    it("sends nothing and rejects with what the check threw", async () => {
      const refusal = new Error("not our controller");
      const verifyServer = () => {
        throw refusal;
      };
      await expect(connect(world.bootstrap, { verifyServer })).rejects.toBe(refusal);
      await new Promise((resolve) => setImmediate(resolve));
      expect(world.connects).toEqual([]);
    });

    it("authenticates an operational session by its certificate, as the device", async () => {
      await connect(world.operational);
      const { device, credential } = world.operational;
      expect(world.connects).toHaveLength(1);
      expect(world.connects[0]).toMatchObject({ clientId: device, claim: undefined });
      expect(Buffer.from(world.connects[0]?.certificate ?? [])).toEqual(Buffer.from(credential.certificate));
    });

    it("authenticates a bootstrap session by its claim, and shows no certificate", async () => {
      await connect(world.bootstrap);
      const { clientId, claim } = world.bootstrap;
      expect(world.connects).toEqual([
        {
          clientId,
          claim: { id: claim?.id, secret: Buffer.from(claim?.secret ?? []).toString("hex") },
          certificate: undefined,
        },
      ]);
    });

    it("publishes, and has it acknowledged", async () => {
      const { session } = await connect(world.operational);
      const topic = `fleetcert/1/device/${world.operational.device}/up/report`;
      await session.publish(topic, text("hello"));
      expect(world.publishes.map(({ payload }) => Buffer.from(payload).toString())).toEqual(["hello"]);
      expect(world.publishes[0]?.topic).toBe(topic);
    });

    it("hears what it subscribed to, retained messages included, and nothing after it unsubscribed", async () => {
      await world.send("fleetcert/1/fleet/trust", text("old"), { retain: true });
      const { session, heard } = await connect(world.operational);
      await session.subscribe(["fleetcert/1/fleet/trust"]);
      await until(() => heard.length === 1);
      await world.send("fleetcert/1/fleet/trust", text("new"), { retain: true });
      await until(() => heard.length === 2);
      await session.unsubscribe(["fleetcert/1/fleet/trust"]);
      await world.send("fleetcert/1/fleet/trust", text("unheard"), { retain: true });
      await session.subscribe(["fleetcert/1/fleet/trust/7"]);
      await world.send("fleetcert/1/fleet/trust/7", text("last"), { retain: false });
      await until(() => heard.length === 3);
      expect(heard.map(({ payload }) => payload)).toEqual(["old", "new", "last"]);
    });

    it("finds what is retained after it was away, and has the broker keep nothing else for it", async () => {
      const own = `fleetcert/1/device/${world.operational.device}/down/#`;
      const first = await connect(world.operational);
      await first.session.subscribe([own, "fleetcert/1/fleet/trust"]);
      await first.session.close();
      await world.send(own.replace("#", "received"), text("an answer"), { retain: false });
      await world.send("fleetcert/1/fleet/trust", text("a bundle"), { retain: true });
      const { session, heard } = await connect(world.operational);
      await session.subscribe([own, "fleetcert/1/fleet/trust"]);
      await until(() => heard.length > 0);
      await world.send(own.replace("#", "received"), text("another"), { retain: false });
      await until(() => heard.length > 1);
      expect(heard.map(({ payload }) => payload)).toEqual(["a bundle", "another"]);
    });

    it("rejects with denied when CONNECT is refused", async () => {
      world.refuse();
      await expect(connect(world.operational)).rejects.toMatchObject({ code: "denied" });
    });

    it("rejects with offline when nobody is there", async () => {
      await world.cut();
      await expect(connect(world.operational)).rejects.toMatchObject({ code: "offline" });
    });

    it("tells once that a session ended, and rejects what comes after", async () => {
      const { session, closed } = await connect(world.operational);
      await world.cut();
      await until(() => closed.length > 0);
      await expect(session.publish("fleetcert/1/device/a/up/report", text("late"))).rejects.toMatchObject({
        code: "offline",
      });
      await expect(session.subscribe(["fleetcert/1/fleet/trust"])).rejects.toMatchObject({ code: "offline" });
      await session.close();
      expect(closed).toHaveLength(1);
    });

    it("gives the client id to the newer session and ends the older", async () => {
      const older = await connect(world.operational);
      const newer = await connect(world.operational);
      await until(() => older.closed.length === 1);
      await newer.session.publish(`fleetcert/1/device/${world.operational.device}/up/report`, text("newer"));
      expect(newer.closed).toEqual([]);
    });

    it("stops opening when it is told to", async () => {
      const stop = new AbortController();
      const reason = new Error("enough");
      const verifyServer = () => stop.abort(reason);
      await expect(connect(world.operational, { verifyServer, signal: stop.signal })).rejects.toBe(reason);
      await expect(connect(world.operational, { signal: stop.signal })).rejects.toBe(reason);
    });

    it("closes quietly, twice as well", async () => {
      const { session, closed } = await connect(world.operational);
      await session.close();
      await session.close();
      expect(closed.length).toBeLessThanOrEqual(1);
    });
  });
}
