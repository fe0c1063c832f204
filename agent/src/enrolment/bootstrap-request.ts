import {
  type Body,
  type BodyOf,
  bootstrapClientId,
  bootstrapSubscriptions,
  formatTopic,
  type Message,
  parseTopic,
} from "@fleetcert/proto";
import { type Duration, FleetError, type ProviderKey, type Secret } from "@fleetcert/shared";
import { openControllerMessage, readAddressed } from "../controller-message.ts";
import { Dialogue } from "../conversation/dialogue.ts";
import { type RequestAnswer, verifyIssued } from "../credential/verify-issued.ts";
import type { Credential, KeyAttestor, Link, SessionRequest, Surroundings, TimeKeeper, TrustKeeper } from "../ports.ts";
import { type KnowsRevoked, ServerCheck } from "../server/verify-server.ts";
import { type TrustStart, type TrustWalk, walkTrust } from "./walk-trust.ts";

/** What a bootstrap session authenticates with: a claim, or an expired operational credential. */
export type BootstrapRight = { readonly claimId: string; readonly secret: Secret } | { readonly expired: Credential };

export interface BootstrapRequest {
  readonly fleet: string;
  readonly device: string;
  readonly controller: { readonly host: string; readonly port: number };
  readonly rootSha256: string;
  readonly right: BootstrapRight;
  readonly body: BodyOf<"enrol"> | BodyOf<"renew">;
  /** Signs the request and names the session: the CSR's key for `enrol`, the expired one for `renew`. */
  readonly signer: ProviderKey;
  /** SubjectPublicKeyInfo of the CSR. */
  readonly spki: Uint8Array;
}

export interface BootstrapTools {
  readonly link: Link;
  /** Answers the credential that an enrolment with a TPM is answered with. */
  readonly attestor?: KeyAttestor;
  readonly trust: TrustKeeper;
  readonly time: TimeKeeper;
  readonly isRevoked: KnowsRevoked;
  readonly surroundings: Surroundings;
}

/**
 * Asks for a certificate on the bootstrap listener. The claim's secret leaves only after the server's chain is verified against the
 * pinned root or the trust bundle; the answer counts only when a command key of the bundle that is reached from there signed it.
 * Trust and time are accepted once everything in the answer holds.
 *
 * A refusal before any trust is believed on the word of the verified session: it can only make the device wait.
 * Rejects as {@link Link.open} does, with `timeout`, `trust-invalid`, `path-invalid`, `issued-mismatch`.
 */
export async function requestOverBootstrap(
  request: BootstrapRequest,
  tools: BootstrapTools,
  signal: AbortSignal,
): Promise<RequestAnswer> {
  const { device, controller, signer, body } = request;
  const start = trustStart(request, tools);
  const clientId = bootstrapClientId(signer.id);
  const check = new ServerCheck(controller.host, start, tools.isRevoked);
  const { dialogue, walks } = bootstrapDialogue(request, { tools, start, clientId });
  const session = await tools.link.open(sessionRequest(request, clientId), {
    verifyServer: (chain) => check.verify(chain, tools.time.estimate()),
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
    const ask = (asked: Body): Promise<Message> => dialogue.ask(asked, { signer, patience: answerPatience, signal });
    const answer = await answerCredential(await ask(body), { body, ask, attestor: tools.attestor });
    if (answer.body.type === "refused") return answer.body;
    const { issued, walk } = requireIssued(answer, walks);
    check.verifyDates(answer.sentAt);
    const { fleet, spki } = request;
    const { slot, generation } = body;
    const at = answer.sentAt;
    const record = verifyIssued(issued, { fleet, device, slot, generation, spki, bundle: walk.bundle, at });
    for (const envelope of walk.accepted) await tools.trust.accept(envelope);
    await tools.time.accept(at, "issuance");
    return { type: "issued", ...record };
  } finally {
    await session.close();
    dialogue.end(undefined);
  }
}

/** The second leg of an enrolment with a TPM: what the credential holds goes back with the same request. */
async function answerCredential(
  answer: Message,
  {
    body: enrol,
    ask,
    attestor,
  }: {
    readonly body: BootstrapRequest["body"];
    readonly ask: (asked: Body) => Promise<Message>;
    readonly attestor: KeyAttestor | undefined;
  },
): Promise<Message> {
  if (answer.body.type !== "credential" || enrol.type !== "enrol" || attestor === undefined) return answer;
  const activated = await attestor.activate(answer.body);
  return await ask({ type: "attestation", enrol, activated });
}

function trustStart({ rootSha256, fleet }: BootstrapRequest, { trust }: BootstrapTools): TrustStart {
  const bundle = trust.current();
  return bundle === undefined ? { rootSha256, fleet } : { bundle };
}

function bootstrapDialogue(
  { fleet, device }: BootstrapRequest,
  { tools, start, clientId }: { readonly tools: BootstrapTools; readonly start: TrustStart; readonly clientId: string },
): { dialogue: Dialogue; walks: Map<Message, TrustWalk> } {
  const walks = new Map<Message, TrustWalk>();
  const open = (bytes: Uint8Array): Message => {
    const read = readAddressed(bytes, { fleet, recipient: device });
    if (read.body.type === "refused" && !("bundle" in start)) return read;
    const bundles = "trustBundles" in read.body ? read.body.trustBundles : [];
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

function requireIssued(
  { body }: Message & { body: Body },
  walks: Map<Message, TrustWalk>,
): { issued: BodyOf<"issued">; walk: TrustWalk } {
  const walk = [...walks].find(([message]) => message.body === body)?.[1];
  if (body.type === "issued" && walk !== undefined) return { issued: body, walk };
  throw new FleetError("message-invalid", `the controller answered the request with ${body.type}`);
}

function sessionRequest({ controller, right }: BootstrapRequest, clientId: string): SessionRequest {
  const { host, port } = controller;
  if ("expired" in right) return { type: "bootstrap", host, port, clientId, credential: right.expired };
  const secret = new Uint8Array(Buffer.from(right.secret.reveal(), "base64url"));
  return { type: "bootstrap", host, port, clientId, claim: { id: right.claimId, secret } };
}

const answerPatience: Duration = 60_000;
