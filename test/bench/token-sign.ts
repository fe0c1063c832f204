import { createPrivateKey, generateKeyPairSync, hash, sign } from "node:crypto";
import { openKeyProvider } from "@fleetcert/hw";
import type { KeyAlgorithm, OpenKeyProvider, ProviderKey } from "@fleetcert/shared";
import { ck } from "../../hw/src/pkcs11/constants.ts";
import { loadCryptoki } from "../../hw/src/pkcs11/cryptoki.ts";
import { requireToken } from "../../hw/src/pkcs11/find-token.ts";
import { Pkcs11Key } from "../../hw/src/pkcs11/pkcs11-key.ts";
import { type SoftHsm, startSoftHsm, type TestToken } from "../support/keys/softhsm.ts";
import { quietestInTurn } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * Signatures of a SoftHSM2 key against bare C_Sign calls of the same key, in turns: by the provider on its session pool and,
 * as TLS asks it, on the event loop; the goal for both is at least 0.85 with P-256. Then one after the other, where each waits for a
 * thread of the pool, and through OpenSSL and the addon, whose own work is that of the key in memory.
 */
export async function bench(): Promise<Row[]> {
  const hsm = startSoftHsm();
  process.once("exit", () => hsm.remove());
  const token = hsm.createToken();
  const { modulePath } = hsm;
  const provider = await openKeyProvider({
    kind: "pkcs11",
    modulePath,
    tokenLabel: token.tokenLabel,
    pin: () => token.pin,
  });
  try {
    const rows: Row[] = [];
    for (const algorithm of ["P-256", "P-384", "RSA-2048"] as const) {
      rows.push(...(await benchKey(provider, { hsm, token, algorithm })));
    }
    return rows;
  } finally {
    await provider.close();
  }
}

async function benchKey(
  provider: OpenKeyProvider,
  { hsm, token, algorithm }: { readonly hsm: SoftHsm; readonly token: TestToken; readonly algorithm: KeyAlgorithm },
): Promise<Row[]> {
  const key = await provider.generate({ algorithm, label: "bench" });
  const handle = createPrivateKey(key.tlsKey());
  const memory = algorithm === "P-256" ? softwareSigner() : undefined;
  const times = 64;
  const bare = bareSigner(hsm, token, key);
  const best = await quietestInTurn(
    {
      bare: repeat(times, bare),
      pool: () => inFlight(times, 64, () => key.sign(message)),
      loop: repeat(times, () => onLoop(key)),
      single: () => inFlight(times, 1, () => key.sign(message)),
      openssl: repeat(times, () => sign(hashOf(key), message, handle)),
      memory: memory === undefined ? () => undefined : repeat(times, memory),
    },
    algorithm === "P-256" ? 101 : 21,
  );
  const of = `C_Sign of ${algorithm}, bare pkcs11js`;
  const row = (name: string, milliseconds: number): Row => ({
    ...{ name: `${name}, ${algorithm}`, value: (times / milliseconds) * 1000, unit: "signatures/s" },
    ...{ ratio: best.bare / milliseconds, of },
  });
  return [
    { name: of, value: (times / best.bare) * 1000, unit: "signatures/s" },
    row("token-sign by the provider", best.pool),
    row("token-sign by the provider for TLS", best.loop),
    row("token-sign by the provider, in turn", best.single),
    row("token-sign through OpenSSL", best.openssl),
    ...(memory === undefined ? [] : [row("node:crypto in memory", best.memory)]),
  ];
}

const repeat = (times: number, run: () => unknown) => (): void => {
  for (let count = 0; count < times; count++) run();
};

async function inFlight(times: number, width: number, run: () => Promise<unknown>): Promise<void> {
  let left = times;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await run();
  };
  await Promise.all(Array.from({ length: width }, lane));
}

/** What a handshake asks of the key, without OpenSSL around it. */
function onLoop(key: ProviderKey): unknown {
  if (!(key instanceof Pkcs11Key)) throw new Error("the provider made another kind of key");
  const name = hashOf(key);
  const scheme = key.algorithm.startsWith("RSA") ? "rsa-pkcs1" : "ecdsa";
  return key.signDigest({ scheme, hash: name, digest: hash(name, message, "buffer"), saltLength: 0 });
}

function bareSigner(hsm: SoftHsm, token: TestToken, key: ProviderKey): () => unknown {
  const cryptoki = loadCryptoki(hsm.modulePath);
  const { slot } = requireToken(cryptoki, { serial: token.serial });
  const session = cryptoki.C_OpenSession(slot, ck.CKF_SERIAL_SESSION);
  cryptoki.C_FindObjectsInit(session, [
    { type: ck.CKA_CLASS, value: ck.CKO_PRIVATE_KEY },
    { type: ck.CKA_ID, value: Buffer.from(key.id, "hex") },
  ]);
  const [object = Buffer.alloc(0)] = cryptoki.C_FindObjects(session, 1);
  cryptoki.C_FindObjectsFinal(session);
  const room = Buffer.alloc(512);
  const isRsa = key.algorithm.startsWith("RSA");
  const mechanism = isRsa ? ck.CKM_RSA_PKCS : ck.CKM_ECDSA;
  return () => {
    cryptoki.C_SignInit(session, { mechanism }, object);
    const digest = hash(hashOf(key), message, "buffer");
    cryptoki.C_Sign(session, isRsa ? Buffer.concat([sha256Info, digest]) : digest, room);
  };
}

function softwareSigner(): () => unknown {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return () => sign("sha256", message, privateKey);
}

const hashOf = ({ algorithm }: ProviderKey) => (algorithm === "P-384" ? "sha384" : "sha256");
/** RFC 8017 §9.2 note 1. */
const sha256Info = Buffer.from("3031300d060960864801650304020105000420", "hex");
const message = Buffer.from("a message of about the length of a certificate request's signed part".repeat(4));
