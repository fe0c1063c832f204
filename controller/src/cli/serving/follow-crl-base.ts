import type { Duties } from "./wire-duties.ts";

/**
 * Signs the issuer's lists anew when the distribution point has another address than when they were signed. OpenSSL takes a
 * list for a certificate only when both name the same point (RFC 5280 §6.3.3 b 2 i): without this, software that reads the lists from
 * files refuses every certificate issued since. Those issued before are renewed in their time.
 */
export async function followCrlBase({ store, revocation }: Duties, crlBase: string): Promise<void> {
  const before = await store.transaction((tx) => tx.settings.find(setting));
  if (before === crlBase) return;
  if (before !== undefined) await revocation.publish({ refreshAll: true });
  await store.transaction((tx) => tx.settings.put(setting, crlBase));
}

const setting = "crl-base";
