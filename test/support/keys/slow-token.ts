import { createHistogram } from "node:perf_hooks";
import { initialiseToken, openKeyProvider } from "@fleetcert/hw";
import { type OpenKeyProvider, type ProviderKey, Secret } from "@fleetcert/shared";
import { buildFaultToken, type FaultToken } from "./fault-token.ts";
import { startSoftHsm } from "./softhsm.ts";

/** A token whose every signature takes as long as a discrete TPM's or a card's. */
export interface SlowToken {
  readonly fault: FaultToken;
  readonly key: ProviderKey;
  /** From now on; 0 makes it fast again. */
  takes(milliseconds: number): void;
  close(): Promise<void>;
}

/** Makes one, on a SoftHSM2 behind the module that can be held up. */
export async function openSlowToken(): Promise<SlowToken> {
  const hsm = startSoftHsm();
  const fault = buildFaultToken();
  const { modulePath } = fault;
  const pin = Secret.of("slow-1234");
  initialiseToken({ modulePath, label: "slow", soPin: Secret.of("slow-so-1"), userPin: pin });
  const keys: OpenKeyProvider = await openKeyProvider({
    kind: "pkcs11",
    modulePath,
    tokenLabel: "slow",
    pin: () => pin,
  });
  const key = await keys.generate({ algorithm: "P-256", label: "slow" });
  return {
    fault,
    key,
    takes(hangMs) {
      if (hangMs === 0) fault.disarm();
      else fault.arm({ at: 1, times: 1_000_000, hangMs, only: "C_Sign" });
    },
    async close() {
      fault.disarm();
      await keys.close();
      fault.remove();
      hsm.remove();
    },
  };
}

/** Runs something beside a timer of 5 ms; the longest time the timer was late, and how often it ran. */
export async function stallDuring(
  work: () => Promise<unknown>,
): Promise<{ readonly longestMs: number; readonly ticks: number }> {
  const delays = createHistogram();
  let ticks = 0;
  let last = performance.now();
  const tick = setInterval(() => {
    const now = performance.now();
    delays.record(Math.max(1, Math.round((now - last) * 1000)));
    last = now;
    ticks++;
  }, 5);
  // Begins with the timer in its stride.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await work();
  await new Promise((resolve) => setTimeout(resolve, 20));
  clearInterval(tick);
  return { longestMs: delays.max / 1000, ticks };
}
