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

/** What a transaction came to, once it is over: settles when that is durable. */
export interface Outcome<T> {
  readonly durable: Promise<T>;
}

/**
 * The one connection: prepares each statement once and runs transactions of a queue, one at a time. What ends within one turn of the
 * event loop becomes durable together, by one fdatasync: a fleet that comes back all at once would otherwise wait for one after the
 * other. Each is a savepoint of its own within the group, so one that throws takes nothing of the others with it.
 */
export class Connection {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #prepared = new WeakMap<object, Prepared>();
  #group: Group | undefined;

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
  }

  /**
   * Resolves when the work is over and the next may begin; its outcome settles when the group is durable. Undone when the work
   * throws; when anything of the medium fails, so is every transaction of the group that the medium took with it.
   */
  async transact<T>(turn: Turn, work: (session: Session) => Promise<T>): Promise<Outcome<T>> {
    const group = this.#enter();
    const session = new TurnSession(turn, this);
    try {
      this.execute("savepoint turn");
      const result = await work(session);
      turn.end();
      session.checkHealth();
      this.execute("release turn");
      return outcomeOf(group.done.promise.then(() => result));
    } catch (error) {
      turn.end();
      this.#undoTurn();
      // Only with the group it is certain that what the work saw of the others, and threw for, was so.
      return outcomeOf(group.done.promise.then(() => Promise.reject(error)));
    } finally {
      this.#leave(group);
    }
  }

  #enter(): Group {
    const group = this.#group ?? this.#open();
    group.isBusy = true;
    group.members += 1;
    return group;
  }

  #open(): Group {
    this.execute("begin immediate");
    const group: Group = { done: Promise.withResolvers(), members: 0, isBusy: false, isDue: false };
    group.done.promise.catch(() => undefined);
    this.#group = group;
    // Reached when the sockets that are ready have been read: whatever they brought is in the group by then.
    setImmediate(() => {
      group.isDue = true;
      if (!group.isBusy) this.#commit(group);
    });
    return group;
  }

  #leave(group: Group): void {
    group.isBusy = false;
    if (group.isDue || group.members >= maxMembers || !this.#database.isTransaction) this.#commit(group);
  }

  #commit(group: Group): void {
    if (this.#group !== group) return;
    this.#group = undefined;
    try {
      // SQLite rolls back by itself after some faults (https://sqlite.org/lang_transaction.html).
      if (!this.#database.isTransaction)
        throw new FleetError("store-failed", `${this.#path}: the transaction was lost`);
      this.execute("commit");
      group.done.resolve();
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.execute("rollback");
      group.done.reject(error);
    }
  }

  #undoTurn(): void {
    if (this.#database.isOpen && this.#database.isTransaction) this.execute("rollback to turn; release turn");
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

  /** Makes durable what is over, and closes. */
  close(): void {
    if (this.#group !== undefined) this.#commit(this.#group);
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

/** Transactions that become durable together. */
interface Group {
  readonly done: PromiseWithResolvers<void>;
  members: number;
  /** One of them is at work. */
  isBusy: boolean;
  isDue: boolean;
}

/** Who asked may not be waiting yet when it settles. */
function outcomeOf<T>(durable: Promise<T>): Outcome<T> {
  durable.catch(() => undefined);
  return { durable };
}

/** So that nobody waits long for the others. */
const maxMembers = 64;

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
