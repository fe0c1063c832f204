import { FleetError } from "@fleetcert/shared";
import type { MqttClient } from "mqtt";
import type { Session, SessionEvents } from "../../ports.ts";

/** One MQTT session from CONNACK to its end. What is under way when it ends rejects with `offline`. */
export class MqttSession implements Session {
  readonly #client: MqttClient;
  readonly #ended = Promise.withResolvers<never>();
  #isOver = false;

  constructor(client: MqttClient, events: SessionEvents) {
    this.#client = client;
    this.#ended.promise.catch(() => undefined);
    let cause: unknown;
    client.on("message", (topic, payload) => {
      if (!this.#isOver) events.message(topic, new Uint8Array(payload));
    });
    client.on("error", (error) => {
      cause ??= error;
    });
    client.once("close", () => {
      this.#isOver = true;
      client.end(true);
      const error = new FleetError("offline", "the session with the broker ended", { cause, retry: true });
      this.#ended.reject(error);
      events.closed(cause ?? error);
    });
  }

  async publish(topic: string, payload: Uint8Array): Promise<void> {
    await this.#whileOpen(async () => {
      await this.#client.publishAsync(topic, Buffer.from(payload), { qos: 1 });
    });
  }

  async subscribe(filters: readonly string[]): Promise<void> {
    if (filters.length === 0) return;
    await this.#whileOpen(async () => {
      const granted = await this.#client.subscribeAsync([...filters], { qos: 1 }).catch((cause: unknown) => {
        if (this.#isOver) throw cause;
        throw new FleetError("denied", `the broker refused to subscribe ${filters[0]}`, { cause });
      });
      const refused = granted.find(({ qos }) => qos >= subscribeFailure);
      if (refused !== undefined) throw new FleetError("denied", `the broker refused to subscribe ${refused.topic}`);
    });
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    if (filters.length === 0) return;
    await this.#whileOpen(async () => {
      await this.#client.unsubscribeAsync([...filters]);
    });
  }

  /** Says DISCONNECT when the other side still listens, and does not wait for what it will not answer. */
  async close(): Promise<void> {
    if (this.#isOver) return;
    const closed = new Promise<void>((resolve) => this.#client.once("close", () => resolve()));
    this.#client.end(false);
    const patience = setTimeout(() => this.#client.end(true), closePatience);
    await closed;
    clearTimeout(patience);
  }

  async #whileOpen(act: () => Promise<void>): Promise<void> {
    if (this.#isOver) await this.#ended.promise;
    const acting = act();
    acting.catch(() => undefined);
    await Promise.race([acting, this.#ended.promise]);
  }
}

/** SUBACK return code 0x80 (MQTT 3.1.1 §3.9.3). */
const subscribeFailure = 0x80;
const closePatience = 500;
