import { nodeCredentialCrypto } from "@fleetcert/hw";
import type { Body, BodyOf, Message } from "@fleetcert/proto";
import { encodeCsr, FleetError, makeCredential, nameOfPublicArea, Secret } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent-surroundings.ts";
import { CrashingStateStore } from "../../../test/support/crashing-state-store.ts";
import { FakeController } from "../../../test/support/fake-controller.ts";
import { testFleet, testNow } from "../../../test/support/fleet-trust.ts";
import { MakeBelieveTpm } from "../../../test/support/make-believe-tpm.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { ManualTimer } from "../../../test/support/manual-timer.ts";
import { memoryKeyProvider } from "../../../test/support/memory-key-provider.ts";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import type { KeyAttestor } from "../ports.ts";
import { openTimeKeeper } from "../time/time-keeper.ts";
import { openTrustKeeper } from "../trust/trust-keeper.ts";
import { requestOverBootstrap } from "./bootstrap-request.ts";

const challenge = new Uint8Array(32).fill(5);

/** An enrolment with a TPM whose controller answers the first leg with a credential, changed as a test wants it. */
async function aTpmDevice(change: (credential: BodyOf<"credential">) => BodyOf<"credential"> = (same) => same) {
  const controller = await FakeController.open(new ManualClock(testNow));
  const clock = new ManualClock(testNow);
  const timer = new ManualTimer(clock);
  const log = new KeptLog();
  const store = new CrashingStateStore();
  const time = await openTimeKeeper({ clock, state: store, buildTime: 0, log });
  const pin = { rootSha256: controller.root.certificate.sha256, fleet: testFleet };
  const trust = await openTrustKeeper({ state: store, pin, time, log });
  const key = await memoryKeyProvider().generate({ algorithm: "P-256", label: "fleetcert:pump-1:identity:1" });
  const tpm = new MakeBelieveTpm();
  const attestor: KeyAttestor = {
    identify: async () => tpm.identity,
    async activate(credential) {
      try {
        return tpm.activate(credential);
      } catch (cause) {
        throw new FleetError("token-error", "TPM_RC_INTEGRITY", { cause });
      }
    },
    certifyKey: async () => tpm.certify(tpm.newKey(), { device: "pump-1", generation: 1 }),
    quote: async () => Promise.reject(new Error("nobody asks")),
  };
  const body: BodyOf<"enrol"> = {
    type: "enrol",
    slot: "identity",
    generation: 1,
    csr: await encodeCsr({ signer: key, commonName: "pump-1" }),
    protection: "token",
    tokenSerial: "",
    agentVersion: "0",
    attested: { tpm: tpm.identity, evidence: await attestor.certifyKey("", new Uint8Array()) },
  };
  const answers: BodyOf<"attestation">[] = [];
  controller.intervene = ({ body: asked }: Message): Body | undefined => {
    if (asked.type === "attestation") answers.push(asked);
    if (asked.type !== "enrol") return undefined;
    const name = nameOfPublicArea(tpm.attestationKey.area);
    const made = makeCredential(nodeCredentialCrypto, { endorsementKey: tpm.endorsementKey.area, name, challenge });
    return change({ type: "credential", ...made, trustBundles: [controller.envelope] });
  };
  const ask = async () => {
    const surroundings = { clock, timer, log, random: new SeededRandom(3), failpoint: async () => undefined };
    const answer = requestOverBootstrap(
      {
        ...pin,
        device: "pump-1",
        controller: { host: "controller.test", port: 8884 },
        right: { claimId: "claim0001", secret: Secret.of("AQIDBAUGBwgJCgsMDQ4PEA") },
        body,
        signer: key,
        spki: key.spki,
      },
      { link: controller.link, trust, time, attestor, surroundings, isRevoked: () => false },
      new AbortController().signal,
    ).catch((error: unknown) => error);
    let isDone = false;
    answer.then(() => {
      isDone = true;
    }, undefined);
    await timer.until(() => isDone, 180_000);
    return answer;
  };
  return { controller, trust, answers, body, ask };
}

describe("an enrolment with a TPM", () => {
  it("gives back what the credential held, with the same request, and takes the certificate", async () => {
    const { answers, body, ask } = await aTpmDevice();
    expect(await ask()).toMatchObject({ type: "issued" });
    const { type: _, ...request } = body;
    expect(answers).toEqual([{ type: "attestation", request, activated: challenge }]);
  });

  it("sends its answer again when that is lost, without asking for another credential", async () => {
    const { controller, answers, ask } = await aTpmDevice();
    const honest = controller.intervene;
    controller.intervene = (message) => {
      const answer = honest(message);
      return answers.length === 1 ? "lost" : answer;
    };
    expect(await ask()).toMatchObject({ type: "issued" });
    expect(answers).toHaveLength(2);
    expect(controller.messages.filter(({ body }) => body.type === "enrol")).toHaveLength(1);
  });

  it("begins again after it was ended between the legs", async () => {
    const { controller, answers, ask } = await aTpmDevice();
    const honest = controller.intervene;
    let isDeaf = true;
    controller.intervene = (message) => {
      const answer = honest(message);
      return isDeaf && message.body.type === "attestation" ? "lost" : answer;
    };
    expect(await ask()).toMatchObject({ code: "timeout" });
    isDeaf = false;
    expect(await ask()).toMatchObject({ type: "issued" });
    expect(answers.length).toBeGreaterThan(1);
  });

  it("says token-error for a credential that is for another TPM, and keeps nothing", async () => {
    const other = new MakeBelieveTpm();
    const { trust, ask } = await aTpmDevice((credential) => ({
      ...credential,
      ...makeCredential(nodeCredentialCrypto, {
        endorsementKey: other.endorsementKey.area,
        name: nameOfPublicArea(other.attestationKey.area),
        challenge,
      }),
    }));
    expect(await ask()).toMatchObject({ code: "token-error" });
    expect(trust.current()).toBeUndefined();
  });

  it("does not believe a credential whose signer no trust leads to", async () => {
    const { answers, ask } = await aTpmDevice((credential) => ({ ...credential, trustBundles: [] }));
    expect(await ask()).toMatchObject({ code: "timeout" });
    expect(answers).toEqual([]);
  });
});
