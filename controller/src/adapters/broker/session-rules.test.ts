import { describe, expect, it } from "vitest";
import { recordedEvents } from "../../../../test/support/broker/broker-events.ts";
import { withBroker } from "../../../../test/support/broker/in-memory-broker.ts";
import { publishPacket, subscribePacket, unsubscribePacket } from "../../../../test/support/broker/mqtt-packets.ts";
import { bootstrapRules, operationalRules } from "./session-rules.ts";

const issuer = "ab".repeat(32);
const bootId = `boot-${"0".repeat(40)}`;

describe("the bootstrap listener", () => {
  const rules = bootstrapRules;

  it("hands over the claim and keeps the client in its own namespace", async () => {
    const claims: string[] = [];
    const answers = {
      async authenticateBootstrap(peer: {
        clientId: string;
        username: string | undefined;
        password: Uint8Array | undefined;
      }) {
        claims.push(`${peer.username}:${Buffer.from(peer.password ?? []).toString()}`);
        return { type: "bootstrap", clientId: peer.clientId, by: { type: "claim", claimId: "c" } } as const;
      },
    };
    await withBroker({ rules, answers }, async (broker) => {
      const client = broker.client();
      expect(await client.connect({ clientId: bootId, username: "claim1", password: "secret" })).toBe(0);
      expect(claims).toEqual(["claim1:secret"]);
      const filters = [
        `fleetcert/1/bootstrap/${bootId}/down/#`,
        "fleetcert/1/fleet/trust",
        "fleetcert/1/bootstrap/+/down/#",
      ];
      client.send(subscribePacket(1, ...filters));
      expect((await client.next())?.body.subarray(2)).toEqual(Buffer.from([1, 0x80, 0x80]));
      client.send(publishPacket({ topic: `fleetcert/1/bootstrap/${bootId}/up/enrol`, payload: "e", packetId: 3 }));
      expect(await client.next()).toMatchObject({ header: 0x40 });
      client.send(publishPacket({ topic: `fleetcert/1/bootstrap/${bootId}/up/report`, packetId: 4 }));
      expect(await client.next()).toBeUndefined();
      expect(broker.events.received).toHaveLength(1);
    });
  });

  it("admits no device id and keeps no session", async () => {
    await withBroker({ rules }, async (broker) => {
      expect(await broker.client().connect({ clientId: "pump-1" })).toBe(2);
      expect(await broker.client().connect({ clientId: bootId, clean: false })).toBe(5);
    });
  });
});

describe("SUBSCRIBE of a device", () => {
  it("is granted for its own and the fleet's topics and refused for everything else", async () => {
    const granted = [
      "fleetcert/1/device/pump-1/down/#",
      "fleetcert/1/device/pump-1/desired",
      "fleetcert/1/fleet/trust",
      "fleetcert/1/fleet/trust/3",
      "fleetcert/1/fleet/revocation/+/head",
      `fleetcert/1/fleet/revocation/${issuer}/0/crl/3/0`,
    ];
    const denied = [
      "#",
      "+/#",
      "fleetcert/#",
      "fleetcert/1/device/+/down/#",
      "fleetcert/1/device/pump-2/down/#",
      "fleetcert/1/device/pump-1/#",
      "fleetcert/1/bootstrap/+/down/#",
      `fleetcert/1/fleet/revocation/${issuer}/#`,
      "$SYS/#",
      "$share/x/fleetcert/1/fleet/trust",
      "$receipt",
    ];
    await withBroker({}, async (broker) => {
      const client = await broker.connected("pump-1");
      client.send(subscribePacket(5, ...granted, ...denied));
      const suback = await client.next();
      expect(suback?.header).toBe(0x90);
      expect([...(suback?.body.subarray(2) ?? [])]).toEqual([...granted.map(() => 1), ...denied.map(() => 0x80)]);
    });
  });

  it("is refused beyond the number of subscriptions, until some are given back", async () => {
    await withBroker({ limits: { subscriptions: 2 } }, async (broker) => {
      const client = await broker.connected("pump-1");
      const part = (at: number): string => `fleetcert/1/fleet/revocation/${issuer}/0/crl/3/${at}`;
      client.send(subscribePacket(1, part(0), part(1), part(2)));
      expect((await client.next())?.body.subarray(2)).toEqual(Buffer.from([1, 1, 0x80]));
      client.send(unsubscribePacket(2, part(0)));
      expect(await client.next()).toMatchObject({ header: 0xb0 });
      client.send(subscribePacket(3, part(2)));
      expect((await client.next())?.body.subarray(2)).toEqual(Buffer.from([1]));
    });
  });
});

describe("the rules of both listeners", () => {
  const devices = Array.from({ length: 50 }, (_, at) => `pump-${at}`);
  const boots = Array.from({ length: 50 }, (_, at) => `boot-${String(at).padStart(40, "0")}`);
  const events = recordedEvents();
  const kinds = ["report", "renew", "enrol", "issued", "#", "+", ""];
  const topicsOf = (name: string): string[] => [
    ...kinds.flatMap((kind) => ["up", "down"].map((way) => `fleetcert/1/device/${name}/${way}/${kind}`)),
    ...kinds.flatMap((kind) => ["up", "down"].map((way) => `fleetcert/1/bootstrap/${name}/${way}/${kind}`)),
    `fleetcert/1/device/${name}/desired`,
    `fleetcert/1/device/${name}`,
    `$share/g/fleetcert/1/device/${name}/down/#`,
    `/fleetcert/1/device/${name}/up/report`,
    `fleetcert/2/device/${name}/up/report`,
  ];

  it.each([
    ["operational", operationalRules(events), devices],
    ["bootstrap", bootstrapRules(events), boots],
  ] as const)("let no %s client reach another's topics, over the whole cross product", (_listener, rules, clients) => {
    const leaks: string[] = [];
    let own = 0;
    for (const client of clients) {
      for (const name of [...devices, ...boots, "+", "#"]) {
        for (const topic of topicsOf(name)) {
          const isReached = rules.mayPublish(client, topic) || rules.maySubscribe(client, topic);
          if (isReached && name !== client) leaks.push(`${client} reaches ${topic}`);
          if (isReached && name === client) own++;
        }
      }
    }
    expect(leaks).toEqual([]);
    expect(own).toBeGreaterThan(clients.length);
  });
});
