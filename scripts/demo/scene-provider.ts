import { prepareDevice } from "./lone-device.ts";
import type { Scene } from "./scene.ts";
import { until } from "./until.ts";

/** A device with its key in a file is told to use a token: a rotation like any other, and the file's key is destroyed at its end. */
export const changeProvider: Scene = async (stage, checks) => {
  const { keyStore, panel } = stage;
  if (!("module" in keyStore)) {
    panel.warn("no token: the change of key store is left out");
    return {};
  }
  const device = await prepareDevice(stage, "mover", { settings: { keys: { provider: "software" } } });
  const first = device.start();
  await device.untilProven(1);
  const keyOf = async () => (await device.status()).slots[0]?.certificate?.key.split(":")[0];
  const before = await until(keyOf, (kind) => kind !== undefined, { timeoutMs: 20_000, everyMs: 200 });
  await first.stop();
  await device.configure({ keys: device.keys });
  const begin = performance.now();
  device.start();
  const moved = await device.untilProven(2);
  const tookMs = Math.round(performance.now() - begin);
  const after = await until(keyOf, (kind) => kind === "pkcs11", { timeoutMs: 10_000, everyMs: 200 });
  panel.step(`a key moved from a file into a token in ${tookMs} ms`);
  const actual = { before, after, protection: moved?.certificate?.protection };
  checks.equal(
    "provider-changed",
    { before: "software", after: "pkcs11", protection: "token" },
    actual,
    "fleetcert-agent status, device list",
  );
  return { providerChange: { tookMs } };
};
