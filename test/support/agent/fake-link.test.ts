import { bootstrapClientId } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import type { SessionRequest } from "../../../agent/src/ports.ts";
import { type LinkWorld, linkContract } from "../../contracts/link.ts";
import { memoryKeyProvider } from "../keys/memory-key-provider.ts";
import { FakeLink } from "./fake-link.ts";

async function fakeWorld(): Promise<LinkWorld> {
  const chain = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)];
  const connects: SessionRequest[] = [];
  const publishes: { topic: string; payload: Uint8Array }[] = [];
  let isRefusing = false;
  const link = new FakeLink({
    chain,
    accept: (request) => {
      connects.push(request);
      if (isRefusing) throw new FleetError("denied", "refused");
    },
    received: ({ topic, payload }) => publishes.push({ topic, payload }),
  });
  const key = await memoryKeyProvider().generate({ algorithm: "P-256", label: "device" });
  const credential = { key, certificate: Uint8Array.of(9), chain: [], generation: 1 };
  const address = { host: "controller.test", port: 8883 };
  return {
    link,
    operational: { type: "operational", ...address, device: "pump-1", credential },
    bootstrap: {
      type: "bootstrap",
      ...address,
      clientId: bootstrapClientId(key.id),
      claim: { id: "claim0001", secret: Uint8Array.of(1, 2, 3) },
    },
    chain,
    get connects() {
      return connects.map((request) => ({
        clientId: request.type === "operational" ? request.device : request.clientId,
        claim:
          request.type === "bootstrap" && request.claim !== undefined
            ? { id: request.claim.id, secret: Buffer.from(request.claim.secret).toString("hex") }
            : undefined,
        certificate: request.credential?.certificate,
      }));
    },
    publishes,
    refuse: () => {
      isRefusing = true;
    },
    send: async (topic, payload, options) => link.publish(topic, payload, options),
    cut: async () => link.cut(),
    close: async () => undefined,
  };
}

linkContract("in memory", fakeWorld);
