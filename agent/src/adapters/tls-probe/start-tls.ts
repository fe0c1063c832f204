import type { Socket } from "node:net";
import { FleetError } from "@fleetcert/shared";

/** Protocols that begin in clear; `none` begins with TLS. */
export type StartTls = "none" | "smtp" | "imap" | "postgres" | "ldap";

/** Leads a plain connection to the point where TLS begins. Rejects with `offline` when the service does not offer it. */
export async function startTls(protocol: StartTls, socket: Socket): Promise<void> {
  if (protocol === "none") return;
  const talk = new Talk(socket);
  try {
    await dialogues[protocol](talk);
  } finally {
    talk.end();
  }
}

const dialogues: Readonly<Record<Exclude<StartTls, "none">, (talk: Talk) => Promise<void>>> = {
  // RFC 3207.
  async smtp(talk) {
    await talk.expect((heard) => /^220 .*\r?\n/m.test(heard));
    talk.say("EHLO localhost\r\n");
    await talk.expect((heard) => /^250 .*\r?\n/m.test(heard));
    talk.say("STARTTLS\r\n");
    await talk.expect((heard) => /^220 .*\r?\n/m.test(heard));
  },
  // RFC 9051 §6.2.1.
  async imap(talk) {
    await talk.expect((heard) => /^\* OK.*\r?\n/m.test(heard));
    talk.say("a STARTTLS\r\n");
    await talk.expect((heard) => /^a OK.*\r?\n/m.test(heard));
  },
  // SSLRequest: length 8, code 80877103 (PostgreSQL documentation, section 54.7).
  async postgres(talk) {
    talk.say(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
    await talk.expect((heard) => /^S/.test(heard));
  },
  // RFC 4511 §4.14: an extended request of message 1, and its response with resultCode success.
  async ldap(talk) {
    const oid = Buffer.from("1.3.6.1.4.1.1466.20037", "latin1");
    talk.say(Buffer.concat([Buffer.from([0x30, 29, 0x02, 1, 1, 0x77, 24, 0x80, oid.length]), oid]));
    await talk.expect(
      (heard) => heard.startsWith("0") && heard.includes("\u0002\u0001\u0001x") && heard.includes("\n\u0001\u0000"),
    );
  },
};

/** What was said in clear, in order; a service that says too much is not waited for. */
class Talk {
  readonly #socket: Socket;
  readonly #take = (chunk: Buffer): void => {
    this.#heard += chunk.toString("latin1");
    this.#changed.resolve();
  };
  readonly #gone = (): void => {
    this.#isGone = true;
    this.#changed.resolve();
  };
  #heard = "";
  #isGone = false;
  #changed = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#take);
    socket.on("close", this.#gone);
  }

  say(text: string | Buffer): void {
    this.#heard = "";
    this.#socket.write(text);
  }

  async expect(isThere: (heard: string) => boolean): Promise<void> {
    while (!isThere(this.#heard)) {
      if (this.#isGone || this.#heard.length > maxHeard) {
        throw new FleetError("offline", "the service does not begin TLS in its protocol", { retry: true });
      }
      this.#changed = Promise.withResolvers<void>();
      await this.#changed.promise;
    }
  }

  end(): void {
    this.#socket.off("data", this.#take);
    this.#socket.off("close", this.#gone);
    this.#socket.pause();
  }
}

const maxHeard = 8192;
