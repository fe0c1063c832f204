import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { FleetError } from "@fleetcert/shared";
import { checkValues } from "../check-values.ts";
import type { Turn } from "../transaction-queue.ts";
import { isRefusedStatement, toStoreError } from "./sqlite-error.ts";
import { Place, type Statement } from "./statement.ts";

/**
 * What the tables run their statements on, within one transaction. Synchronous, so that what a table does in several
 * statements is never interleaved with another call of the same transaction.
 *
 * Absent values are undefined here and NULL in the file.
 */
export interface Session {
  all<P extends object, R>(statement: Statement<P, R>, parameters: P): R[];
  /** As {@link all}, but every row is the same object with other values. */
  each<P extends object, R>(statement: Statement<P, R>, parameters: P, take: (row: R) => void): void;
  first<P extends object, R>(statement: Statement<P, R>, parameters: P): R | undefined;
  run<P extends object>(statement: Statement<P, unknown>, parameters: P): void;
}

/** The one connection: prepares each statement once and runs transactions of a queue, one at a time. */
export class Connection {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #prepared = new WeakMap<object, Prepared>();

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
  }

  /** Durable when it resolves, undone when the work throws or anything of the medium fails on the way. */
  async transact<T>(turn: Turn, work: (session: Session) => Promise<T>): Promise<T> {
    const session = new TurnSession(turn, this);
    try {
      this.execute("begin immediate");
      const result = await work(session);
      turn.end();
      session.checkHealth();
      this.execute("commit");
      return result;
    } catch (error) {
      turn.end();
      this.#rollback();
      throw error;
    }
  }

  execute(sql: string): void {
    try {
      this.#database.exec(sql);
    } catch (error) {
      throw toStoreError(error, this.#path);
    }
  }

  query<P extends object>(statement: Statement<P, unknown>, parameters: P): Rows {
    try {
      const prepared = this.#prepare(statement);
      const cells = prepared.statement.all(...bind(statement, parameters)) as unknown as Cell[][];
      return { columns: prepared.columns, cells };
    } catch (error) {
      throw toStoreError(error, this.#path);
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #prepare<P, R>(statement: Statement<P, R>): Prepared {
    const known = this.#prepared.get(statement);
    if (known !== undefined) return known;
    const compiled = this.#database.prepare(statement.sql);
    compiled.setReturnArrays(true);
    const prepared = { statement: compiled, columns: compiled.columns().map(({ name }) => camelCase(name)) };
    this.#prepared.set(statement, prepared);
    return prepared;
  }

  #rollback(): void {
    // SQLite has rolled back by itself after some faults (https://sqlite.org/lang_transaction.html).
    if (this.#database.isOpen && this.#database.isTransaction) this.execute("rollback");
  }
}

class TurnSession implements Session {
  readonly #turn: Turn;
  readonly #connection: Connection;
  #fault: FleetError | undefined;

  constructor(turn: Turn, connection: Connection) {
    this.#turn = turn;
    this.#connection = connection;
  }

  all<P extends object, R>(statement: Statement<P, R>, parameters: P): R[] {
    const { columns, cells } = this.#query(statement, parameters);
    return cells.map((row) => fill({}, columns, row) as R);
  }

  each<P extends object, R>(statement: Statement<P, R>, parameters: P, take: (row: R) => void): void {
    const { columns, cells } = this.#query(statement, parameters);
    const record = {};
    for (const row of cells) take(fill(record, columns, row) as R);
  }

  first<P extends object, R>(statement: Statement<P, R>, parameters: P): R | undefined {
    return this.all(statement, parameters)[0];
  }

  run<P extends object>(statement: Statement<P, unknown>, parameters: P): void {
    this.all(statement, parameters);
  }

  #query<P extends object>(statement: Statement<P, unknown>, parameters: P): Rows {
    this.#turn.check();
    this.checkHealth();
    try {
      return this.#connection.query(statement, parameters);
    } catch (error) {
      if (error instanceof FleetError && !isRefusedStatement(error)) this.#fault = error;
      throw error;
    }
  }

  /** After a fault SQLite may have left the transaction; nothing more may be written as if it were still open. */
  checkHealth(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }
}

interface Prepared {
  readonly statement: StatementSync;
  readonly columns: readonly string[];
}

interface Rows {
  readonly columns: readonly string[];
  readonly cells: readonly (readonly Cell[])[];
}

type Cell = SQLInputValue | undefined;

function bind<P extends object>({ places, table }: Statement<P, unknown>, parameters: P): SQLInputValue[] {
  checkValues(table, parameters);
  return places.map((place) => {
    const value = place instanceof Place ? (parameters as Record<string, unknown>)[place.name] : place.value;
    return (value ?? null) as SQLInputValue;
  });
}

function fill(record: Record<string, Cell>, columns: readonly string[], row: readonly Cell[]): Record<string, Cell> {
  for (let at = 0; at < columns.length; at++) record[columns[at] as string] = row[at] ?? undefined;
  return record;
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
