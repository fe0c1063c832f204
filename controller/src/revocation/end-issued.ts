import { appendAudit } from "../audit/append-audit.ts";
import type { CertificateRecord } from "../records.ts";
import type { RevocationParts } from "./revocation.ts";

/** Ends every certificate of an issuing CA that is distrusted, page by page, and drops the sessions under them. */
export async function endIssued(
  { store, surroundings, broker }: Pick<RevocationParts, "store" | "surroundings" | "broker">,
  { actor, issuer }: { readonly actor: string; readonly issuer: string },
): Promise<number> {
  let ended = 0;
  let after: string | undefined;
  do {
    const page = await store.transaction(async (tx) => {
      const rows = await tx.certificates.list({ limit: pageSize, ...(after !== undefined && { after }) });
      const left = rows.filter((row) => row.issuer === issuer && row.revokedAt === undefined);
      const revokedAt = surroundings.clock.now();
      for (const row of left) {
        await tx.certificates.put({ ...row, state: "revoked", revokedAt, revocationReason: "cACompromise" });
      }
      return { left, next: rows.length < pageSize ? undefined : rows.at(-1)?.sha256 };
    });
    await dropSessions(broker, page.left);
    ended += page.left.length;
    after = page.next;
  } while (after !== undefined);
  await store.transaction(async (tx) => {
    await appendAudit(tx, {
      ...{ at: surroundings.clock.now(), actor, action: "ca.distrusted", target: issuer, outcome: "success" },
      details: { certificates: String(ended) },
    });
    await tx.settings.put(settingOf(issuer), String(ended));
  });
  return ended;
}

/** Ends what a crash left of the distrusted issuers; called at every start. */
export async function endRemaining(
  parts: Parameters<typeof endIssued>[0],
  distrusted: readonly string[],
): Promise<void> {
  for (const issuer of distrusted) {
    const isDone = (await parts.store.transaction((tx) => tx.settings.find(settingOf(issuer)))) !== undefined;
    if (!isDone) await endIssued(parts, { actor: "controller", issuer });
  }
}

async function dropSessions(
  broker: RevocationParts["broker"],
  certificates: readonly CertificateRecord[],
): Promise<void> {
  for (const { device, sha256, slot } of certificates) {
    if (device !== "" && slot === "identity") await broker.dropSessions(device, sha256);
  }
}

const settingOf = (issuer: string): string => `ca-distrusted/${issuer}`;
const pageSize = 1000;
