import { Secret } from "@fleetcert/shared";
import {
  type BootstrapRequest,
  type RequestTools,
  requestOverBootstrap,
} from "../../../agent/src/enrolment/bootstrap-request.ts";
import { openTimeKeeper } from "../../../agent/src/time/time-keeper.ts";
import { openTrustKeeper } from "../../../agent/src/trust/trust-keeper.ts";
import { KeptLog } from "../agent/agent-surroundings.ts";
import { CrashingStateStore } from "../agent/crashing-state-store.ts";
import { FakeController } from "../controller/fake-controller.ts";
import { memoryKeyProvider } from "../keys/memory-key-provider.ts";
import { ManualClock } from "../manual-clock.ts";
import { ManualTimer } from "../manual-timer.ts";
import { testFleet, testNow } from "../pki/fleet-trust.ts";
import { SeededRandom } from "../seeded-random.ts";
import { enrolBody } from "./device-messages.ts";

/** A device `pump-1` with a key and no certificate, whose wall clock shows `wall`, and a controller it may ask. */
export async function aBootstrapDevice(wall = testNow) {
  const controller = await FakeController.open(new ManualClock(testNow));
  const clock = new ManualClock(wall);
  const timer = new ManualTimer(clock);
  const log = new KeptLog();
  const state = new CrashingStateStore();
  const time = await openTimeKeeper({ clock, state, buildTime: 0, log });
  const pin = { rootSha256: controller.root.certificate.sha256, fleet: testFleet };
  const trust = await openTrustKeeper({ state, pin, time, log });
  const key = await memoryKeyProvider().generate({ algorithm: "P-256", label: "fleetcert:pump-1:identity:1" });
  const surroundings = { clock, timer, log, random: new SeededRandom(3), failpoint: async () => undefined };
  const enrolment: BootstrapRequest = {
    ...pin,
    device: "pump-1",
    controller: { host: "controller.test", port: 8884 },
    right: { claimId: "claim0001", secret: Secret.of("AQIDBAUGBwgJCgsMDQ4PEA") },
    body: await enrolBody({ id: "pump-1", key }),
    signer: key,
    spki: key.spki,
  };

  /** Asks for the first certificate; resolves with the answer or the error, however long that takes on the device's clock. */
  async function ask(
    changes: Partial<BootstrapRequest> = {},
    more: Pick<RequestTools, "attestor"> = {},
  ): Promise<unknown> {
    const tools = { link: controller.link, trust, time, isRevoked: () => false, surroundings, ...more };
    const request = { ...enrolment, ...changes };
    const answer = requestOverBootstrap(request, tools, new AbortController().signal).catch((error: unknown) => error);
    let isDone = false;
    answer.then(() => {
      isDone = true;
    }, undefined);
    await timer.until(() => isDone, 180_000);
    return answer;
  }
  return { controller, key, trust, time, enrolment, ask };
}
