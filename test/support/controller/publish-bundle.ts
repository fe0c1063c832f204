import { type BundleRenewal, renewBundle } from "../../../controller/src/trust/renew-bundle.ts";
import { SeededRandom } from "../seeded-random.ts";
import type { TestController } from "./controller.ts";

/** Publishes the next trust bundle of a test's controller, signed by its root, with what differs from the one in force. */
export async function publishBundle(controller: TestController, change: Partial<BundleRenewal>) {
  const { world, trust } = controller;
  const { bundle, envelope } = await renewBundle({
    ...{ current: trust.current(), now: world.clock.now(), keys: world.keys, random: new SeededRandom(1) },
    rootSigner: await world.rootKeys.open(world.pki.rootKeyRef),
    ...{ recordIntent: async () => undefined, recordOutcome: async () => undefined },
    ...change,
  });
  await trust.publish(envelope, "local");
  return bundle;
}
