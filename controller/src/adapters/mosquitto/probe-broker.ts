import { FleetError } from "@fleetcert/shared";
import { type MqttSession, openMqttSession, type SessionTarget } from "./mqtt-session.ts";

/** PEM of a key and its certificate. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

/** Whom a broker is looked at with. */
export interface Probe {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly ca: string | undefined;
  /** Where the controller may publish and read everything. */
  readonly control: SessionTarget;
  /** Two identities of the fleet that belong to no device, with the names in their certificates. */
  readonly one: Identity & { readonly clientId: string };
  readonly other: Identity & { readonly clientId: string };
  /** An identity of nobody: the name of `other` under another CA. */
  readonly foreign: Identity;
  /** A topic of a device that goes up or down, built by the one module of topics. */
  readonly topics: { readonly up: (device: string) => string; readonly down: (device: string) => string };
}

/**
 * Looks whether a broker binds identity to certificate: takes nobody without one or with a foreign one, lets nobody publish
 * under, read or push out another. Throws `config-invalid` naming what it lets through, `offline` or `timeout` when nothing can
 * be said because it does not take or answer those it should.
 */
export async function probeBroker(probe: Probe): Promise<void> {
  await refuses(probe, { identity: undefined, clientId: probe.other.clientId, what: "a client without a certificate" });
  await refuses(probe, {
    identity: probe.foreign,
    clientId: probe.other.clientId,
    what: "a certificate of a foreign CA",
  });
  const sessions: MqttSession[] = [];
  const open = async (target: SessionTarget, clientId: string, who: string): Promise<MqttSession> => {
    const session = await openMqttSession(target, clientId);
    if (session === undefined) throw silent(probe, "offline", `does not take ${who}, so nothing can be said of it`);
    sessions.push(session);
    return session;
  };
  try {
    const control = await open(probe.control, `fleetcert-probe-${probe.one.clientId}`, "the controller");
    const one = await open(tls(probe, probe.one), probe.one.clientId, "a certificate of this fleet");
    const other = await open(tls(probe, probe.other), probe.other.clientId, "a certificate of this fleet");
    await looksAtTopics(probe, { control, one });
    const pushed = await openMqttSession(tls(probe, probe.one), probe.other.clientId);
    if (pushed !== undefined) sessions.push(pushed);
    if (await other.isAlive()) return;
    // A broker that is being stopped ends all of them.
    if (other.hasEnded() && (await control.isAlive()))
      throw wrong(probe, "lets a client push out another by its client id");
    throw silent(probe, "timeout", "does not answer a client");
  } finally {
    for (const session of sessions) session.end();
  }
}

async function refuses(
  probe: Probe,
  {
    identity,
    clientId,
    what,
  }: { readonly identity: Identity | undefined; readonly clientId: string; readonly what: string },
): Promise<void> {
  const session = await openMqttSession(tls(probe, identity), clientId);
  if (session === undefined) return;
  session.end();
  throw wrong(probe, `lets ${what} through`);
}

/** After what must not come, something is sent that must: when that is there, the other will not come any more. */
async function looksAtTopics(
  probe: Probe,
  { control, one }: { readonly control: MqttSession; readonly one: MqttSession },
): Promise<void> {
  const { up, down } = probe.topics;
  const [own, foreign] = [probe.one.clientId, probe.other.clientId];
  control.subscribe(up("+"));
  one.subscribe(down(foreign));
  one.subscribe("#");
  one.subscribe(down(own));
  // QoS 0 has no answer to wait for; a ping comes back after what was sent before it.
  await control.isAlive();
  await one.isAlive();
  one.publish(up(foreign));
  one.publish(up(own));
  if (!(await control.until(() => control.received.includes(up(own)))))
    throw silent(probe, "timeout", "does not let a device publish under its own name");
  if (control.received.includes(up(foreign))) throw wrong(probe, "lets a device publish under the name of another");
  control.publish(down(foreign));
  control.publish(down(own));
  if (!(await one.until(() => one.received.includes(down(own)))))
    throw silent(probe, "timeout", "does not give a device its own messages");
  if (one.received.includes(down(foreign))) throw wrong(probe, "gives a device the messages of another");
}

const tls = ({ host, port, ca }: Probe, identity: Identity | undefined): SessionTarget => ({
  ...{ type: "tls", host, port, ca },
  identity: identity && { key: identity.key, cert: identity.cert },
});

const wrong = ({ name }: Probe, what: string): FleetError =>
  new FleetError("config-invalid", `the external broker ${name} ${what}`, { hint: setUp });

const silent = ({ name }: Probe, code: "offline" | "timeout", what: string): FleetError =>
  new FleetError(code, `the external broker ${name} ${what}`, { hint: setUp, retry: true });

const setUp =
  "use_identity_as_username, use_username_as_clientid, require_certificate and an ACL with %u: docs/external-broker.md";
