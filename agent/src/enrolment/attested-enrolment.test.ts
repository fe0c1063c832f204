import { nodeCredentialCrypto } from "@fleetcert/hw";
import type { Body, BodyOf, Message } from "@fleetcert/proto";
import { FleetError, makeCredential, nameOfPublicArea } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { aBootstrapDevice } from "../../../test/support/devices/bootstrap-device.ts";
import { MakeBelieveTpm } from "../../../test/support/keys/make-believe-tpm.ts";
import type { KeyAttestor } from "../ports.ts";

const challenge = new Uint8Array(32).fill(5);

/** An enrolment with a TPM whose controller answers the first leg with a credential, changed as a test wants it. */
async function aTpmDevice(change: (credential: BodyOf<"credential">) => BodyOf<"credential"> = (same) => same) {
  const { controller, trust, enrolment, ask } = await aBootstrapDevice();
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
  const body = {
    ...(enrolment.body as BodyOf<"enrol">),
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
  return { controller, trust, answers, body, ask: () => ask({ body }, { attestor }) };
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
