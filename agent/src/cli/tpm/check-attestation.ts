import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeCredentialCrypto, openKeyProvider, openTpmAttestor, type TpmKeysConfig } from "@fleetcert/hw";
import {
  type AttestationKey,
  DeviceId,
  type Duration,
  type EndorsementKey,
  FleetError,
  type KeyExpectation,
  keyQualifyingData,
  makeCredential,
  type OpenKeyProvider,
  type PcrSelection,
  type ProviderKey,
  quoteQualifyingData,
  requireAttestationKey,
  requireEndorsementKey,
  verifyCertifiedKey,
  verifyQuote,
} from "@fleetcert/shared";

/** One step of the check and what came of it. */
export interface AttestationStep {
  readonly step: string;
  readonly isOk: boolean;
  /** Milliseconds it took. */
  readonly ms: number;
  readonly finding: string;
  /** What to do; empty when nothing is wrong. */
  readonly fix: string;
}

/**
 * Plays an attested enrolment with the TPM, the controller's side of it included. The key it makes is gone afterwards. A
 * step that fails is the last one shown.
 */
export async function checkAttestation(
  settings: TpmKeysConfig,
  { elapsed }: { readonly elapsed: () => Duration },
): Promise<AttestationStep[]> {
  const directory = await mkdtemp(join(tmpdir(), "fleetcert-tpm-"));
  const seen: Partial<Seen> = {};
  const done: AttestationStep[] = [];
  try {
    for (const [step, run] of Object.entries(steps)) {
      const before = elapsed();
      const outcome = await run({ ...settings, directory }, seen).then(
        (finding) => ({ isOk: true, finding, fix: "" }),
        (error: unknown) => failureOf(error),
      );
      done.push({ step, ...outcome, ms: Math.round(elapsed() - before) });
      if (!outcome.isOk) break;
    }
    return done;
  } finally {
    await seen.attestor?.close();
    await seen.provider?.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** What the steps before have found. */
interface Seen {
  provider: OpenKeyProvider;
  attestor: Awaited<ReturnType<typeof openTpmAttestor>>;
  endorsementKey: EndorsementKey;
  attestationKey: AttestationKey;
  key: ProviderKey;
}

const steps: Readonly<Record<string, (settings: TpmKeysConfig, seen: Partial<Seen>) => Promise<string>>> = {
  async open(settings, seen) {
    seen.provider = await openKeyProvider({ kind: "tpm", ...settings });
    seen.attestor = await openTpmAttestor(settings);
    return seen.provider.info.description;
  },
  async "endorsement key"(_, seen) {
    const shown = await need(seen, "attestor").identify();
    seen.endorsementKey = requireEndorsementKey(shown.endorsementKey, shown.endorsementCertificate);
    seen.attestationKey = requireAttestationKey(shown.attestationKey);
    const { hash, certificate } = seen.endorsementKey;
    return `${hash}, ${certificate === undefined ? "without a certificate" : `certified by ${certificate.issuer.text}`}`;
  },
  async "attestation key"(_, seen) {
    const { name } = need(seen, "attestationKey");
    return `restricted, fixed to this TPM, name ${Buffer.from(name).toString("hex").slice(0, 20)}…`;
  },
  async credential(_, seen) {
    const challenge = randomBytes(32);
    const { publicArea } = need(seen, "endorsementKey");
    const { name } = need(seen, "attestationKey");
    const credential = makeCredential(nodeCredentialCrypto, { endorsementKey: publicArea, name, challenge });
    const activated = await need(seen, "attestor").activate(credential);
    if (Buffer.compare(activated, challenge) === 0) return "the TPM reads what only it can read";
    throw new FleetError("token-error", "the TPM read something else than the credential held");
  },
  async key(_, seen) {
    const provider = need(seen, "provider");
    const [algorithm = "P-256"] = provider.info.algorithms;
    seen.key = await provider.generate({ algorithm, label: "fleetcert:self-check" });
    return `${seen.key.algorithm} key made`;
  },
  async certification(_, seen) {
    const { ref, spki } = need(seen, "key");
    const expected: KeyExpectation = {
      ...{ attestationKey: need(seen, "attestationKey"), device: selfCheck, slot: "identity", generation: 1, spki },
    };
    verifyCertifiedKey(await need(seen, "attestor").certifyKey(ref, keyQualifyingData(expected)), expected);
    return "the key was made in this TPM and cannot leave it";
  },
  async quote(_, seen) {
    const asked = { device: selfCheck, nonce: randomBytes(20) };
    const evidence = await need(seen, "attestor").quote(pcrs, quoteQualifyingData(asked));
    const attestationKey = need(seen, "attestationKey");
    const { clock } = verifyQuote(evidence, { ...asked, attestationKey, pcrs });
    return `PCRs 0 to 7 quoted; ${clock.resetCount} resets, ${clock.restartCount} restarts`;
  },
};

function need<K extends keyof Seen>(seen: Partial<Seen>, name: K): Seen[K] {
  const found = seen[name];
  if (found !== undefined) return found;
  throw new FleetError("internal", `${name} is not known yet`);
}

function failureOf(error: unknown): Pick<AttestationStep, "isOk" | "finding" | "fix"> {
  const { message } = error instanceof Error ? error : new Error(String(error));
  return { isOk: false, finding: message, fix: error instanceof FleetError ? (error.hint ?? "") : "" };
}

const selfCheck = DeviceId.parse("self-check");
const pcrs: readonly PcrSelection[] = [{ hash: "sha256", indices: [0, 1, 2, 3, 4, 5, 6, 7] }];
