import { isFleetError } from "@fleetcert/shared";
import type { Program } from "../programs/processes.ts";
import { type AgentPlace, untilSettled } from "./scenario-agent.ts";
import { administrator, type ServingController } from "./scenario-controller.ts";

/** A part of the work a controller is killed in; asked for again it does what is left of it. */
export interface Act {
  readonly name: string;
  play(parts: { readonly serving: ServingController; readonly agent: Program }): Promise<void>;
}

/** What a fleet goes through: a device enrols, rotates, another one is revoked, and both again. */
export function actsOf(device: AgentPlace, spares: readonly [string, string]): Act[] {
  return [
    { name: "enrol", play: ({ agent }) => untilSettled(device, agent, 1).then(() => undefined) },
    rotation(device, 2),
    revocation(spares[0]),
    rotation(device, 3),
    revocation(spares[1]),
  ];
}

function rotation(device: AgentPlace, generation: number): Act {
  return {
    name: `rotate to generation ${generation}`,
    async play({ serving, agent }) {
      const { devices, rotations } = serving.operations;
      const { certificate } = await devices.show(administrator, device.device);
      if ((certificate?.generation ?? 0) < generation)
        await rotations.request(administrator, { devices: [device.device] });
      await untilSettled(device, agent, generation);
    },
  };
}

function revocation(device: string): Act {
  return {
    name: `revoke ${device}`,
    async play({ serving }) {
      const selection = { device, reason: "keyCompromise" };
      await serving.operations.revocations.revoke(administrator, selection).catch((error: unknown) => {
        if (!isFleetError(error) || error.code !== "conflict") throw error;
      });
    },
  };
}

/** Plays acts in their order until the controller ends; returns the names of those that were acknowledged. */
export async function playUntilKilled(
  acts: readonly Act[],
  parts: { readonly serving: ServingController; readonly agent: Program },
): Promise<string[]> {
  const { program } = parts.serving;
  const done: string[] = [];
  for (const act of acts) {
    const played = act.play(parts).then(
      () => true,
      async (error: unknown) => {
        // What fails because the controller is dying is what this is about; anything else is a fault.
        await Promise.race([program.ended, new Promise((_, reject) => setTimeout(reject, 2000, error))]);
        return false;
      },
    );
    if (!(await Promise.race([played, program.ended.then(() => false)]))) break;
    done.push(act.name);
  }
  return done;
}
