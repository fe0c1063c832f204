import type { AuditRecord, CertificateRecord, DeviceRecord } from "../records.ts";
import type { Store, Transaction } from "../store-port.ts";

/** Every device, page by page, each page a transaction of its own so that the store stays usable. */
export function everyDevice(store: Store): AsyncGenerator<DeviceRecord> {
  return everyRow(
    store,
    (tx, after?: string) => tx.devices.list(pageAfter(after)),
    ({ id }) => id,
  );
}

/** Every certificate, as {@link everyDevice}. */
export function everyCertificate(store: Store): AsyncGenerator<CertificateRecord> {
  return everyRow(
    store,
    (tx, after?: string) => tx.certificates.list(pageAfter(after)),
    ({ sha256 }) => sha256,
  );
}

/** Every audit entry, as {@link everyDevice}. */
export function everyAuditEntry(store: Store): AsyncGenerator<AuditRecord> {
  return everyRow(
    store,
    (tx, after: number = 0) => tx.audit.list(after + 1, pageSize),
    ({ sequence }) => sequence,
  );
}

async function* everyRow<Row, Key>(
  store: Store,
  read: (tx: Transaction, after?: Key) => Promise<Row[]>,
  keyOf: (row: Row) => Key,
): AsyncGenerator<Row> {
  let after: Key | undefined;
  for (;;) {
    const from = after;
    const rows = await store.transaction((tx) => read(tx, from));
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return;
    after = keyOf(last);
  }
}

function pageAfter(after: string | undefined) {
  return after === undefined ? { limit: pageSize } : { after, limit: pageSize };
}

const pageSize = 500;
