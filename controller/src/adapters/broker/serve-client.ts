import { assertNever, FleetError, isFleetError } from "@fleetcert/shared";
import type { BrokerEvents } from "../../ports.ts";
import { aboutOf, admitClient, type Session } from "./admit-client.ts";
import type { Connection, ListenerContext } from "./connection.ts";
import type { Publish } from "./read-packet.ts";
import { type ReceivedPacket, readPackets } from "./read-packets.ts";

/** Serves one client from CONNECT until its stream is closed; never rejects, whatever the client sends. */
export async function serveClient(connection: Connection, context: ListenerContext): Promise<void> {
  const { stream } = connection;
  // An error without a listener would end the process; the reader below sees it too.
  stream.on("error", () => undefined);
  const packets = readPackets(stream, context.limits);
  let clientId: string | undefined;
  try {
    const session = await admitClient(connection, packets, context);
    if (session === undefined) return;
    clientId = session.clientId;
    await serveSession(session, packets, context);
  } catch (error) {
    const why = whyDropped(error);
    if (why !== undefined) context.log.warn({ ...aboutOf(connection, context), clientId, ...why }, "client dropped");
  } finally {
    stream.destroy();
  }
}

async function serveSession(
  session: Session,
  packets: AsyncGenerator<ReceivedPacket, void, void>,
  context: ListenerContext,
): Promise<void> {
  for await (const { packet, bytes } of packets) {
    switch (packet.type) {
      case "publish":
        await receivePublish(packet, session, context);
        break;
      case "subscribe":
      case "unsubscribe":
      case "puback":
      case "pingreq":
        await session.link.feed(bytes);
        break;
      case "disconnect":
        return;
      case "connect":
      case "connect-unsupported":
        throw new FleetError("message-invalid", "MQTT: second CONNECT"); // MQTT-3.1.0-2
      case "pubrec":
      case "pubrel":
      case "pubcomp":
        throw new FleetError("message-invalid", "MQTT: QoS 2 is not spoken");
      default:
        assertNever(packet);
    }
  }
}

async function receivePublish(packet: Publish, session: Session, { rules, events }: ListenerContext): Promise<void> {
  const { topic, payload, packetId, qos, retain } = packet;
  if (qos === 2) throw new FleetError("message-invalid", "MQTT: QoS 2 is not spoken");
  if (retain) throw new FleetError("denied", "a client may not retain a message");
  if (!rules.mayPublish(session.clientId, topic))
    throw new FleetError("denied", "PUBLISH to a topic that is not its own");
  // I10: what is acknowledged is stored. One at a time keeps the order and is the back-pressure on this client.
  await receive(events, { topic, payload, peer: session.identity });
  await session.link.acknowledge(packetId);
}

async function receive(events: BrokerEvents, message: Parameters<BrokerEvents["receive"]>[0]): Promise<void> {
  try {
    await events.receive(message);
  } catch (cause) {
    throw isFleetError(cause) ? cause : new FleetError("internal", "a message could not be taken in", { cause });
  }
}

/** Network errors are everyday and have no line in the log. */
function whyDropped(error: unknown): Readonly<Record<string, string>> | undefined {
  if (isFleetError(error)) {
    const cause = error.cause === undefined ? {} : { cause: String(error.cause) };
    return { code: error.code, why: error.message, ...cause };
  }
  const isNetwork = error instanceof Error && "code" in error;
  return isNetwork ? undefined : { code: "internal", why: String(error) };
}
