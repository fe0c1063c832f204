import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openKeyProvider } from "@fleetcert/hw";
import type { KeySummary } from "@fleetcert/shared";
import type { AgentKeys } from "../scenarios/scenario-agent.ts";
import type { SoftHsm } from "./softhsm.ts";

/** A token made for one agent, and a view of it that is not the agent's. */
export interface AgentToken {
  readonly keys: AgentKeys;
  readonly pin: string;
  readonly soPin: string;
  /** See {@link TestToken}. */
  isTorn(): boolean;
  /** Every key in the token, as another process of the PKCS#11 module sees it. */
  list(): Promise<KeySummary[]>;
}

/** Initialises a token for a device; its PIN lies in a file of the directory. */
export async function makeAgentToken(hsm: SoftHsm, device: string, directory: string): Promise<AgentToken> {
  const { tokenLabel, pin, soPin, isTorn } = hsm.createToken(device);
  const pinFile = join(directory, `${device}.pin`);
  await writeFile(pinFile, `${pin.reveal()}\n`, { mode: 0o600 });
  const { modulePath } = hsm;
  return {
    keys: { settings: { provider: "pkcs11", module: modulePath, token: tokenLabel, pinFile }, env: hsm.env },
    pin: pin.reveal(),
    soPin: soPin.reveal(),
    isTorn,
    async list() {
      const provider = await openKeyProvider({ kind: "pkcs11", modulePath, tokenLabel, pin: async () => pin });
      try {
        return await provider.list("");
      } finally {
        await provider.close();
      }
    },
  };
}
