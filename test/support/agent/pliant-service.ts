import type { ServiceSlot } from "../../../agent/src/cli/agent-parts.ts";

/** A slot whose service takes whatever it gets; notes in `isErased` that its written keys were removed. */
export function pliantService<T extends string>(slot: T, isErased: Record<T, boolean>): ServiceSlot {
  return {
    ...{ slot, profile: "", home: undefined, serverName: "", settleWithin: 1_000 },
    files: {
      install: async () => false,
      restore: async () => false,
      forget: async () => undefined,
      erase: async () => {
        isErased[slot] = true;
      },
    },
    service: { reload: async () => undefined, probe: async () => undefined },
  };
}
