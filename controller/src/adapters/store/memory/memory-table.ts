import { FleetError } from "@fleetcert/shared";
import { checkValues } from "../check-values.ts";

/** Undoes the writes of the running transaction, newest first. */
export class UndoLog {
  #steps: (() => void)[] = [];

  add(step: () => void): void {
    this.#steps.push(step);
  }

  /** Keeps what was written. */
  forget(): void {
    this.#steps = [];
  }

  undo(): void {
    for (const step of this.#steps.reverse()) step();
    this.#steps = [];
  }
}

/** One way to look rows up: by group, in an order that must be total. */
export interface IndexDefinition<Row> {
  /** The rows' group; rows of the group undefined are not in the index. */
  readonly group: (row: Row) => string | undefined;
  readonly order: (a: Row, b: Row) => number;
  /** At most one row in each group; another is refused with `already-exists`. */
  readonly isUnique?: boolean;
}

/** Rows by key, with indexes kept sorted and every write undoable. */
export class MemoryTable<Row extends object, Index extends string> {
  readonly #name: string;
  readonly #keyOf: (row: Row) => string;
  readonly #rows = new Map<string, Row>();
  readonly #indexes: ReadonlyMap<string, MemoryIndex<Row>>;
  readonly #undo: UndoLog;

  constructor(
    undo: UndoLog,
    definition: {
      readonly name: string;
      readonly key: (row: Row) => string;
      readonly indexes: Readonly<Record<Index, IndexDefinition<Row>>>;
    },
  ) {
    this.#undo = undo;
    this.#name = definition.name;
    this.#keyOf = definition.key;
    const indexes = Object.entries<IndexDefinition<Row>>(definition.indexes);
    this.#indexes = new Map(indexes.map(([name, index]) => [name, new MemoryIndex(index)]));
  }

  find(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  /** The rows of a group in the index's order; not to be changed or kept. */
  group(index: Index, group: string): readonly Row[] {
    return this.#indexes.get(index)?.rows(group) ?? [];
  }

  values(): Iterable<Row> {
    return this.#rows.values();
  }

  /** Inserts or replaces by key; refuses what SQLite would refuse, before anything has changed. */
  put(row: Row): void {
    checkValues(this.#name, row);
    const key = this.#keyOf(row);
    const before = this.#rows.get(key);
    for (const index of this.#indexes.values()) {
      if (!index.admits(row, before)) {
        throw new FleetError("already-exists", `${this.#name}: a row with the same unique value exists already`);
      }
    }
    this.#replace(key, before, row);
    this.#undo.add(() => this.#replace(key, row, before));
  }

  delete(key: string): void {
    const before = this.#rows.get(key);
    if (before === undefined) return;
    this.#replace(key, before, undefined);
    this.#undo.add(() => this.#replace(key, undefined, before));
  }

  #replace(key: string, before: Row | undefined, after: Row | undefined): void {
    if (after === undefined) this.#rows.delete(key);
    else this.#rows.set(key, after);
    for (const index of this.#indexes.values()) index.replace(before, after);
  }
}

class MemoryIndex<Row> {
  readonly #definition: IndexDefinition<Row>;
  readonly #groups = new Map<string, Row[]>();

  constructor(definition: IndexDefinition<Row>) {
    this.#definition = definition;
  }

  rows(group: string): readonly Row[] {
    return this.#groups.get(group) ?? [];
  }

  admits(row: Row, before: Row | undefined): boolean {
    if (!this.#definition.isUnique) return true;
    const group = this.#definition.group(row);
    return group === undefined || this.rows(group).every((other) => other === before);
  }

  replace(before: Row | undefined, after: Row | undefined): void {
    if (before !== undefined && after !== undefined && this.#isSamePlace(before, after)) {
      const rows = this.#groups.get(this.#definition.group(after) ?? "");
      if (rows !== undefined) rows[this.#position(rows, after)] = after;
      return;
    }
    if (before !== undefined) this.#remove(before);
    if (after !== undefined) this.#add(after);
  }

  #isSamePlace(before: Row, after: Row): boolean {
    const { group, order } = this.#definition;
    const place = group(before);
    return place !== undefined && place === group(after) && order(before, after) === 0;
  }

  #add(row: Row): void {
    const group = this.#definition.group(row);
    if (group === undefined) return;
    const rows = this.#groups.get(group);
    if (rows === undefined) this.#groups.set(group, [row]);
    else rows.splice(this.#position(rows, row), 0, row);
  }

  #remove(row: Row): void {
    const group = this.#definition.group(row);
    if (group === undefined) return;
    const rows = this.#groups.get(group) ?? [];
    rows.splice(this.#position(rows, row), 1);
    if (rows.length === 0) this.#groups.delete(group);
  }

  /** Where the row is, or would be inserted. */
  #position(rows: readonly Row[], row: Row): number {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#definition.order(rows[middle] as Row, row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
