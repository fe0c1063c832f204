import { localActor } from "./actor.ts";
import type { Stage } from "./stage.ts";

/** A rollout that an interrupted run has left must not keep the next one from beginning. */
export async function endEarlierRollouts({ controller }: Stage): Promise<void> {
  const { rotations } = controller.operations;
  const { items } = await rotations.list(localActor, { limit: 1000 });
  for (const { id, state } of items)
    if (state === "running" || state === "paused") await rotations.abort(localActor, id);
}
