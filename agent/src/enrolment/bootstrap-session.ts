import {
  type Body,
  bootstrapClientId,
  bootstrapSubscriptions,
  formatTopic,
  type Message,
  parseTopic,
} from "@fleetcert/proto";
import type { Duration, ProviderKey, Secret } from "@fleetcert/shared";
import { openControllerMessage, readAddressed } from "../controller-message.ts";
import { Dialogue } from "../conversation/dialogue.ts";
import type { Credential, Link, SessionRequest, Surroundings, TimeKeeper, TrustKeeper } from "../ports.ts";
import { type KnowsRevoked, ServerCheck } from "../server/verify-server.ts";
import { type TrustStart, type TrustWalk, walkTrust } from "./walk-trust.ts";

/** What a bootstrap session authenticates with: a claim, or an operational credential that is turned away elsewhere. */
export type BootstrapRight =
  | { readonly claimId: string; readonly secret: Secret }
  | { readonly credential: Credential };

/** One question, and who asks whom. */
export interface BootstrapQuestion {
  readonly fleet: string;
  readonly device: string;
  readonly controller: { readonly host: string; readonly port: number };
  readonly rootSha256: string;
  readonly right: BootstrapRight;
  readonly body: Body;
  /** Signs the question and names the session. */
  readonly signer: ProviderKey;
  readonly patience: Duration;
  /** Asks on in the same session when the first answer wants it; resolves with the answer that counts. */
  readonly goOn?: (answer: Message, ask: (body: Body) => Promise<Message>) => Promise<Message>;
}

/** What asks on the bootstrap listener, and judges what it answers. */
export interface BootstrapTools {
  readonly link: Link;
  readonly trust: TrustKeeper;
  readonly time: TimeKeeper;
  readonly isRevoked: KnowsRevoked;
  readonly surroundings: Surroundings;
}

/** An answer of the controller to what was asked. */
export interface BootstrapAnswer {
  readonly message: Message;
  /** The trust its signature was verified under; undefined for a refusal before any trust, which nobody verified. */
  readonly walk: TrustWalk | undefined;
  /** The server it came over; its dates may wait for a signed time. */
  readonly server: ServerCheck;
}

/**
 * Asks one question in a session of its own. The claim's secret leaves only after the server's chain is verified against the
 * pinned root or the trust bundle; an answer counts only when a command key of the bundle that is reached from there signed it.
 * Neither trust nor time is accepted here. Rejects as {@link Link.open} does, with `timeout` or `path-invalid`.
 */
export async function askOverBootstrap(
  question: BootstrapQuestion,
  tools: BootstrapTools,
  signal: AbortSignal,
): Promise<BootstrapAnswer> {
  const { signer, body, patience, goOn = async (answer: Message) => answer } = question;
  const start = trustStart(question, tools);
  const clientId = bootstrapClientId(signer.id);
  const server = new ServerCheck(question.controller.host, start, tools.isRevoked);
  const { dialogue, walks } = bootstrapDialogue(question, { tools, start, clientId });
  const session = await tools.link.open(sessionRequest(question, clientId), {
    verifyServer: (chain) => server.verify(chain, tools.time.estimate()),
    events: {
      message: (topic, payload) => {
        const parsed = parseTopic(topic);
        if (parsed?.type === "bootstrap-down" && parsed.clientId === clientId) dialogue.receive(payload);
      },
      closed: (cause) => dialogue.end(cause),
    },
    signal,
  });
  try {
    dialogue.begin(session);
    await session.subscribe(bootstrapSubscriptions(clientId));
    const ask = (asked: Body): Promise<Message> => dialogue.ask(asked, { signer, patience, signal });
    const message = await goOn(await ask(body), ask);
    return { message, walk: walks.get(message), server };
  } finally {
    await session.close();
    dialogue.end(undefined);
  }
}

function trustStart({ rootSha256, fleet }: BootstrapQuestion, { trust }: BootstrapTools): TrustStart {
  const bundle = trust.current();
  return bundle === undefined ? { rootSha256, fleet } : { bundle };
}

function bootstrapDialogue(
  { fleet, device }: BootstrapQuestion,
  { tools, start, clientId }: { readonly tools: BootstrapTools; readonly start: TrustStart; readonly clientId: string },
): { dialogue: Dialogue; walks: Map<Message, TrustWalk> } {
  const walks = new Map<Message, TrustWalk>();
  const open = (bytes: Uint8Array): Message => {
    const read = readAddressed(bytes, { fleet, recipient: device });
    const bundles = "trustBundles" in read.body ? read.body.trustBundles : [];
    // Before any trust a refusal without a way to verify it can only make the device wait.
    if (read.body.type === "refused" && !("bundle" in start) && bundles.length === 0) return read;
    const walk = walkTrust(bundles, start);
    const message = openControllerMessage(bytes, { bundle: walk.bundle, recipient: device });
    walks.set(message, walk);
    return message;
  };
  const dialogue = new Dialogue({
    fleet,
    device,
    time: tools.time,
    surroundings: tools.surroundings,
    topicOf: (kind) => formatTopic({ type: "bootstrap-up", clientId, kind }),
    open,
    number: async () => undefined,
    challengeSigner: undefined,
  });
  return { dialogue, walks };
}

function sessionRequest({ controller, right }: BootstrapQuestion, clientId: string): SessionRequest {
  const { host, port } = controller;
  if ("credential" in right) return { type: "bootstrap", host, port, clientId, credential: right.credential };
  const secret = new Uint8Array(Buffer.from(right.secret.reveal(), "base64url"));
  return { type: "bootstrap", host, port, clientId, claim: { id: right.claimId, secret } };
}
