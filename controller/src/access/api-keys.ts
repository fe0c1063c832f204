import { type Clock, type Duration, FleetError, sha256Hex } from "@fleetcert/shared";
import type { ApiKeyRecord } from "../approval-records.ts";
import { appendAudit } from "../audit/append-audit.ts";
import type { RandomSource } from "../ports.ts";
import type { OperatorRecord } from "../records.ts";
import type { Store } from "../store-port.ts";
import type { ApiKeyView } from "./operations.ts";
import { apiKeyView } from "./views.ts";

interface KeyParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: RandomSource;
}

/**
 * Makes a key that stands for an operator: `fck1.ID.SECRET`, given this one time; the store keeps the SHA-256 of the secret,
 * which has 256 bits of chance. Throws `not-found`, `conflict` for an operator whose access has ended, `request-invalid`.
 */
export async function createApiKey(
  { store, clock, random }: KeyParts,
  request: { readonly actor: string; readonly operator: string; readonly validFor: Duration },
): Promise<{ readonly key: ApiKeyView; readonly text: string }> {
  const { actor, operator, validFor } = request;
  if (validFor < 1000 || validFor > longestValidity) {
    throw new FleetError("request-invalid", "an API key is valid for a second to 366 days");
  }
  const now = clock.now();
  const id = Buffer.from(random.bytes(8)).toString("hex");
  const secret = Buffer.from(random.bytes(32));
  const record: ApiKeyRecord = {
    ...{ id, operator, createdAt: now, createdBy: actor },
    secretSha256: sha256Hex(secret),
    expiresAt: now + validFor,
    revokedAt: undefined,
  };
  await store.transaction(async (tx) => {
    const found = await tx.operators.find(operator);
    if (found === undefined) {
      throw new FleetError("not-found", `there is no operator ${operator}`, { hint: "fleetcert operator list" });
    }
    if (found.disabledAt !== undefined) throw new FleetError("conflict", `operator ${operator} is disabled`);
    await tx.apiKeys.put(record);
    await appendAudit(tx, {
      ...{ at: now, actor, action: "apiKey.created", target: id, outcome: "success" },
      details: { operator, expiresAt: new Date(record.expiresAt).toISOString() },
    });
  });
  return { key: apiKeyView(record), text: `${prefix}.${id}.${secret.toString("base64url")}` };
}

/** Ends a key at once; one that has ended stays as it is. Throws `not-found`. */
export async function revokeApiKey(
  { store, clock }: Pick<KeyParts, "store" | "clock">,
  { actor, id }: { readonly actor: string; readonly id: string },
): Promise<ApiKeyView> {
  return await store.transaction(async (tx) => {
    const found = await tx.apiKeys.find(id);
    if (found === undefined) {
      throw new FleetError("not-found", `there is no API key ${id}`, { hint: "fleetcert operator key list" });
    }
    if (found.revokedAt !== undefined) return apiKeyView(found);
    const revoked = { ...found, revokedAt: clock.now() };
    await tx.apiKeys.put(revoked);
    const event = { action: "apiKey.revoked", target: id, outcome: "success" } as const;
    await appendAudit(tx, { at: clock.now(), actor, ...event, details: { operator: found.operator } });
    return apiKeyView(revoked);
  });
}

/** The operator and key of a text, where both are in force. Throws `unauthenticated`, always with the same words. */
export async function findByApiKey(
  { store, clock }: Pick<KeyParts, "store" | "clock">,
  text: string,
): Promise<{ readonly operator: OperatorRecord; readonly id: string }> {
  const [, id = "", secret = ""] = keyPattern.exec(text) ?? [];
  const found = await store.transaction(async (tx) => {
    const key = await tx.apiKeys.find(id);
    return { key, operator: key && (await tx.operators.find(key.operator)) };
  });
  const { key, operator } = found;
  const isRight = key !== undefined && key.secretSha256 === sha256Hex(Buffer.from(secret, "base64url"));
  const isInForce = key?.revokedAt === undefined && (key?.expiresAt ?? 0) > clock.now();
  if (isRight && isInForce && operator !== undefined && operator.disabledAt === undefined) return { operator, id };
  throw new FleetError("unauthenticated", "the API key is unknown, expired or ended", {
    hint: "an administrator makes one: fleetcert operator key create NAME",
  });
}

const prefix = "fck1";
const keyPattern = /^fck1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})$/;
const longestValidity = 366 * 86_400_000;
