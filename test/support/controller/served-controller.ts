import { type Clock, parseCertificate, spkiSha256 } from "@fleetcert/shared";
import type { SessionRequest } from "../../../agent/src/ports.ts";
import type { SeenConnect } from "../../contracts/link.ts";
import { type AgentBroker, startAgentBroker } from "../broker/agent-broker.ts";
import { FakeController } from "./fake-controller.ts";

/** A {@link FakeController} behind a real socket, for agents that are processes. */
export interface ServedController {
  readonly controller: FakeController;
  readonly ports: AgentBroker["ports"];
  close(): Promise<void>;
}

/** Serves both namespaces on free ports of localhost. */
export async function serveController(clock: Clock): Promise<ServedController> {
  const controller = await FakeController.open(clock);
  const broker = await startAgentBroker({
    key: controller.serverKey,
    chain: controller.chain,
    accept: (connect) => isAccepted(controller, requestOf(connect)),
    received: ({ client, topic, payload }) => controller.received({ request: requestOf(client), topic, payload }),
  });
  controller.publish = (topic, payload, options = { retain: false }) => {
    broker.send(topic, payload, options).catch((error: unknown) => controller.errors.push(error));
  };
  return { controller, ports: broker.ports, close: broker.close };
}

function isAccepted(controller: FakeController, request: SessionRequest): boolean {
  try {
    controller.accept(request);
    return true;
  } catch {
    return false;
  }
}

/** The request as the link in memory would have shown it; of the key only its public half is known here. */
function requestOf({ clientId, certificate }: SeenConnect): SessionRequest {
  const address = { host: "localhost", port: 0 };
  if (certificate === undefined) return { type: "bootstrap", ...address, clientId };
  const { spki, keyAlgorithm } = parseCertificate(certificate);
  const id = spkiSha256(spki);
  const no = () => {
    throw new Error("the private half is on the device");
  };
  const key = {
    spki,
    algorithm: keyAlgorithm,
    id,
    ref: id,
    label: "",
    protection: "software",
    sign: no,
    tlsKey: no,
  } as const;
  return {
    type: "operational",
    ...address,
    device: clientId,
    credential: { key, certificate, chain: [], generation: 0 },
  };
}
