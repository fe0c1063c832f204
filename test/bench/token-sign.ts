import { createPrivateKey, generateKeyPairSync, hash, sign } from "node:crypto";
import { openKeyProvider } from "@fleetcert/hw";
import type { OpenKeyProvider, ProviderKey } from "@fleetcert/shared";
import { ck } from "../../hw/src/pkcs11/constants.ts";
import { loadCryptoki } from "../../hw/src/pkcs11/cryptoki.ts";
import { requireToken } from "../../hw/src/pkcs11/find-token.ts";
import { type SoftHsm, startSoftHsm, type TestToken } from "../support/softhsm.ts";
import { medianOf7 } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * Signatures of a SoftHSM2 key: by the provider, and by OpenSSL through the TLS addon, each against bare C_Sign calls of
 * the same key. The goal for the addon is at least 0.5. A software key is shown for comparison.
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
    return [
      ...(await benchEc(provider, hsm, token)),
      await perSecond("P-256 in memory, node:crypto", softwareSigner()),
    ];
  } finally {
    await provider.close();
  }
}

async function benchEc(provider: OpenKeyProvider, hsm: SoftHsm, token: TestToken): Promise<Row[]> {
  const key = await provider.generate({ algorithm: "P-256", label: "bench" });
  const handle = createPrivateKey(key.tlsKey());
  const bare = await perSecond("C_Sign of P-256, bare pkcs11js", bareSigner(hsm, token, key));
  const compared = async (name: string, run: () => unknown): Promise<Row> => {
    const row = await perSecond(name, run);
    return { ...row, ratio: row.value / bare.value, of: bare.name };
  };
  return [
    bare,
    await compared("token-sign through OpenSSL and the TLS addon", () => sign("sha256", message, handle)),
    await compared("token-sign by the provider, one after the other", () => key.sign(message)),
    await compared("token-sign by the provider, 64 at once", () =>
      Promise.all(Array.from({ length: 64 }, () => key.sign(message))),
    ).then((row) => ({ ...row, value: row.value * 64, ratio: (row.ratio ?? 0) * 64 })),
  ];
}

async function perSecond(name: string, run: () => unknown): Promise<Row> {
  const times = 200;
  const milliseconds = await medianOf7(async () => {
    for (let count = 0; count < times; count++) {
      const pending = run();
      if (pending instanceof Promise) await pending;
    }
  });
  return { name, value: (times / milliseconds) * 1000, unit: "signatures/s" };
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
  const room = Buffer.alloc(64);
  return () => {
    cryptoki.C_SignInit(session, { mechanism: ck.CKM_ECDSA }, object);
    cryptoki.C_Sign(session, hash("sha256", message, "buffer"), room);
  };
}

function softwareSigner(): () => unknown {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return () => sign("sha256", message, privateKey);
}

const message = Buffer.from("a message of about the length of a certificate request's signed part".repeat(4));
