import type { Body, BodyOf, Message } from "@fleetcert/proto";
import { type Duration, FleetError } from "@fleetcert/shared";
import { type RequestAnswer, verifyIssued } from "../credential/verify-issued.ts";
import type { KeyAttestor } from "../ports.ts";
import { askOverBootstrap, type BootstrapQuestion, type BootstrapTools } from "./bootstrap-session.ts";

/** A certificate asked for on the bootstrap listener. */
export interface BootstrapRequest extends Omit<BootstrapQuestion, "patience" | "goOn"> {
  /** Signed by the CSR's key for `enrol`, by the expired one for `renew`. */
  readonly body: BodyOf<"enrol"> | BodyOf<"renew">;
  /** SubjectPublicKeyInfo of the CSR. */
  readonly spki: Uint8Array;
}

/** {@link BootstrapTools}, and who answers the credential that an enrolment with a TPM is answered with. */
export interface RequestTools extends BootstrapTools {
  readonly attestor?: KeyAttestor;
}

/**
 * Asks for a certificate on the bootstrap listener. Trust and time are accepted once everything in the answer holds.
 * Rejects as {@link askOverBootstrap} does, with `trust-invalid`, `message-invalid`, `issued-mismatch`.
 */
export async function requestOverBootstrap(
  request: BootstrapRequest,
  tools: RequestTools,
  signal: AbortSignal,
): Promise<RequestAnswer> {
  const { body: asked, device, fleet, spki } = request;
  const goOn = (answer: Message, ask: (body: Body) => Promise<Message>): Promise<Message> =>
    answerCredential(answer, { body: asked, ask, attestor: tools.attestor });
  const question = { ...request, patience: answerPatience, goOn };
  const { message, walk, server } = await askOverBootstrap(question, tools, signal);
  const { body: answer, sentAt: at } = message;
  if (answer.type === "refused") return answer;
  if (answer.type !== "issued" || walk === undefined) {
    throw new FleetError("message-invalid", `the controller answered the request with ${answer.type}`);
  }
  server.verifyDates(at);
  const { slot, generation } = asked;
  const record = verifyIssued(answer, { fleet, device, slot, generation, spki, bundle: walk.bundle, at });
  for (const envelope of walk.accepted) await tools.trust.accept(envelope);
  await tools.time.accept(at, "issuance");
  return { type: "issued", ...record };
}

/** The second leg of an enrolment with a TPM: what the credential holds goes back with the same request. */
async function answerCredential(
  answer: Message,
  {
    body: request,
    ask,
    attestor,
  }: {
    readonly body: BootstrapRequest["body"];
    readonly ask: (asked: Body) => Promise<Message>;
    readonly attestor: KeyAttestor | undefined;
  },
): Promise<Message> {
  if (answer.body.type !== "credential" || request.type !== "enrol" || attestor === undefined) return answer;
  const activated = await attestor.activate(answer.body);
  return await ask({ type: "attestation", request, activated });
}

const answerPatience: Duration = 60_000;
