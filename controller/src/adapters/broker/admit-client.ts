import type { Duplex } from "node:stream";
import { errorCatalogue, FleetError, isFleetError } from "@fleetcert/shared";
import type { PeerIdentity } from "../../ports.ts";
import { type Connection, closed, type ListenerContext } from "./connection.ts";
import type { HubLink } from "./message-hub.ts";
import type { Connect } from "./read-packet.ts";
import type { ReceivedPacket } from "./read-packets.ts";
import { type ConnackCode, connackCodes, writeConnack, writeConnackOfVersion5 } from "./write-packet.ts";

/** An accepted client. */
export interface Session {
  readonly clientId: string;
  readonly identity: PeerIdentity;
  readonly link: HubLink;
}

/**
 * Takes a connection from its first octet to the accepting CONNACK. Undefined when it was refused or went away; a
 * refusal has been sent and logged by then.
 *
 * @throws FleetError for what deserves no answer: no CONNECT in time, or one that is malformed
 */
export async function admitClient(
  connection: Connection,
  packets: AsyncGenerator<ReceivedPacket, void, void>,
  context: ListenerContext,
): Promise<Session | undefined> {
  const { connectTimeout, connectBytes } = context.limits;
  const first = await firstPacket(connection.stream, packets, connectTimeout);
  if (first === undefined) return undefined;
  if (first.behind > connectBytes) throw tooMuchAhead(connectBytes);
  try {
    return await admit(checkConnect(first.packet, context), connection, context);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { clientId } = error;
    context.log.warn({ ...aboutOf(connection, context), clientId, why: error.message }, "client refused");
    limitBacklog(connection.stream, connectBytes);
    await answerAndClose(connection.stream, error.answer);
    return undefined;
  }
}

async function firstPacket(
  stream: Duplex,
  packets: AsyncGenerator<ReceivedPacket, void, void>,
  timeout: number,
): Promise<ReceivedPacket | undefined> {
  const late = (): FleetError => new FleetError("timeout", `no CONNECT within ${timeout} ms`);
  const timer = setTimeout(() => stream.destroy(late()), timeout);
  try {
    const first = await packets.next();
    return first.done === true ? undefined : first.value;
  } finally {
    clearTimeout(timer);
  }
}

/** Closes a client that sends more than so many octets ahead of CONNACK; until the result is called. */
function limitBacklog(stream: Duplex, bytes: number): () => void {
  const check = (): void => {
    if (stream.readableLength > bytes) stream.destroy(tooMuchAhead(bytes));
  };
  stream.on("readable", check);
  check();
  return () => stream.off("readable", check);
}

function tooMuchAhead(limit: number): FleetError {
  return new FleetError("message-too-large", `more than ${limit} octets sent ahead of CONNACK`);
}

/** What can be judged without knowing who it is. */
function checkConnect(packet: ReceivedPacket["packet"], { rules }: ListenerContext): Connect {
  if (packet.type === "connect-unsupported") {
    const answer = packet.level === 5 ? writeConnackOfVersion5() : writeConnack(connackCodes.unacceptableVersion);
    throw new Refusal(answer, `MQTT protocol level ${packet.level} is not 4`);
  }
  // The splitter lets no other packet be the first.
  if (packet.type !== "connect") throw new FleetError("message-invalid", "MQTT: first packet is not CONNECT");
  // Text that is no client id of ours is not worth a place in the log.
  if (!rules.isClientId(packet.clientId)) throw refusal("identifierRejected", "client id is malformed");
  if (packet.hasWill) throw refusal("notAuthorized", "wills are not allowed", packet.clientId);
  if (!packet.clean && !rules.keepsSessions) {
    throw refusal("notAuthorized", "this listener keeps no sessions", packet.clientId);
  }
  return packet;
}

async function admit(connect: Connect, connection: Connection, context: ListenerContext): Promise<Session | undefined> {
  const { stream } = connection;
  const { clientId, clean } = connect;
  let announced: Promise<void> | undefined;
  let identity: PeerIdentity;
  const ended = closed(stream).then(async () => {
    await announced;
    if (announced !== undefined) await announce(context, identity, false);
  });
  try {
    const judge = (): Promise<PeerIdentity> => judgeConnect(connect, connection, context);
    identity = await context.table.admit({ clientId, stream, ended }, judge);
  } catch (error) {
    throw refusalFor(error, clientId);
  }
  if (stream.destroyed) return undefined;
  const longest = Math.floor(context.limits.keepAlive / 1000);
  const keepAlive = Math.min(connect.keepAlive || longest, longest);
  const link = context.hub.join({ socket: stream, clientId, clean, keepAlive });
  if (!(await link.ready) || stream.destroyed) return undefined;
  connection.accepted?.();
  context.log.info({ ...aboutOf(connection, context), clientId }, "client accepted");
  announced = announce(context, identity, true);
  await announced;
  return { clientId, identity, link };
}

/** Asks the controller's store, at every CONNECT; TLS alone decides nothing. */
async function judgeConnect(
  connect: Connect,
  { stream, chain, holdReading }: Connection,
  { rules, limits }: ListenerContext,
): Promise<PeerIdentity> {
  const gone = closed(stream).then(() => {
    throw new FleetError("offline", "it went away while it was judged");
  });
  // Over before CONNACK is sent: what comes after it may be large.
  const readOn = holdReading?.() ?? limitBacklog(stream, limits.connectBytes);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new FleetError("timeout", `CONNECT not judged within ${limits.authenticateTimeout} ms`)),
    limits.authenticateTimeout,
  );
  try {
    const identity = await Promise.race([rules.authenticate(chain, connect), late.promise, gone]);
    if (rules.clientIdOf(identity) !== connect.clientId) {
      throw refusal("identifierRejected", "client id is not the identity's", connect.clientId);
    }
    return identity;
  } finally {
    readOn();
    clearTimeout(timer);
  }
}

async function announce(context: ListenerContext, peer: PeerIdentity, connected: boolean): Promise<void> {
  try {
    await context.events.sessionChanged({ peer, connected });
  } catch (error) {
    const why = error instanceof Error ? error.message : "unknown";
    context.log.warn({ listener: context.rules.listener, why }, "presence could not be recorded");
  }
}

/** A CONNECT that is answered by a CONNACK with a code above 0. */
class Refusal extends Error {
  readonly answer: Uint8Array;
  /** Only where it has the form of one of ours. */
  readonly clientId: string | undefined;

  constructor(answer: Uint8Array, why: string, clientId?: string) {
    super(why);
    this.answer = answer;
    this.clientId = clientId;
  }
}

function refusal(code: keyof typeof connackCodes, why: string, clientId?: string): Refusal {
  return new Refusal(writeConnack(connackCodes[code]), why, clientId);
}

/** A fault of ours says "try again", a judgement says "not authorized". */
function refusalFor(error: unknown, clientId: string): Refusal {
  if (error instanceof Refusal) return error;
  if (!isFleetError(error)) return refusal("serverUnavailable", error instanceof Error ? error.message : "", clientId);
  const isOurFault = error.retry || errorCatalogue[error.code].http >= 500;
  const code: ConnackCode = isOurFault ? connackCodes.serverUnavailable : connackCodes.notAuthorized;
  return new Refusal(writeConnack(code), `${error.code}: ${error.message}`, clientId);
}

async function answerAndClose(stream: Duplex, answer: Uint8Array): Promise<void> {
  const timer = setTimeout(() => stream.destroy(), lingerMs);
  stream.end(answer);
  await closed(stream);
  clearTimeout(timer);
}

/** Which listener and address a log line is about. */
export function aboutOf({ address }: Connection, { rules }: ListenerContext): Readonly<Record<string, string>> {
  return { listener: rules.listener, address };
}

/** Time for a refusal to reach the client before the socket is destroyed. */
const lingerMs = 500;
