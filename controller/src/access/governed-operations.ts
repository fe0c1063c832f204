import type { BoundOperations, PlanOperations, RevocationOperations, RevocationPlanView } from "./governed.ts";
import type { CommandedDuties } from "./operations-of-duties.ts";
import { certificateView, planView } from "./views.ts";

/** What is bounded for one person: revocations, the plans that wait for a second one, and the bounds themselves. */
export function governedOperations({ revocation, approval }: CommandedDuties): {
  readonly revocations: RevocationOperations;
  readonly plans: PlanOperations;
  readonly bounds: BoundOperations;
} {
  return {
    revocations: {
      plan: async ({ name }, { rate, ...selection }) => shown(await revocation.plan(name, selection, { rate })),
      async revoke({ name }, { rate, ...selection }) {
        const { plan, record, ...outcome } = await revocation.revoke(name, selection, { rate });
        return { ...outcome, state: record.state, plan: shown(plan) };
      },
      undo: async ({ name }, selection) =>
        planView(await revocation.reinstate(name, { ...selection, onlyHolds: true })),
      async status(_actor, { epoch, plan }) {
        if (plan === undefined) return await revocation.propagation(epoch);
        return await revocation.propagation((await approval.find(plan)).epochs.at(-1) ?? 0);
      },
    },
    plans: {
      list: async (_actor, { limit = 100 }) => (await approval.list(limit)).map(planView),
      show: async (_actor, hash) => planView(await approval.find(hash)),
      async approve({ name }, hash) {
        const { plan, effect } = await approval.approve(name, hash);
        return { ...effect, plan: planView(plan) };
      },
      reject: async ({ name }, hash, remark) => planView(await approval.reject(name, hash, remark)),
      control: async ({ name }, hash, wish) => planView(await approval.control(name, hash, wish)),
    },
    bounds: {
      show: async () => ({ ...(await approval.bounds()) }),
      async set({ name }, bound, value) {
        await approval.submit({ actor: name, kind: "bound", request: { bound, value } });
        return { ...(await approval.bounds()) };
      },
    },
  };
}

type Shown = Omit<RevocationPlanView, "certificates"> & {
  readonly certificates: readonly Parameters<typeof certificateView>[0][];
};

function shown({ hash, devices, certificates, suspends, aboveBound, impact }: Shown): RevocationPlanView {
  const first = certificates.slice(0, maxShown).map(certificateView);
  return { hash, devices, certificates: first, suspends, aboveBound, impact };
}

const maxShown = 1000;
