import {
  CamelCasePlugin,
  type Compilable,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { Schema } from "./schema.ts";

/**
 * A query that kysely built and compiled once, with named places for its values.
 *
 * Building a query costs kysely more than SQLite needs to run it, so every query is a constant of its module, and a
 * transaction of a dozen of them stays near the cost of its fdatasync.
 */
export interface Statement<P, R> {
  readonly sql: string;
  /** The table it is about, for messages. */
  readonly table: string;
  readonly places: readonly (Place | Fixed)[];
  /** Never set; carries the types of parameters and rows. */
  readonly types?: readonly [P, R];
}

/** Values that a query takes by name. */
export type Parameters = Readonly<Record<string, unknown>>;

/** Starts a statement with the given parameters: `statement<{ id: string }>()((db, at) => … at("id") …)`. */
export function statement<P extends Parameters>() {
  return <R>(define: (db: Kysely<Schema>, at: At<P>) => Compilable<R>): Statement<P, R> => {
    const at: At<P> = (name) => new Place(name) as never;
    const { sql, parameters } = define(builder, at).compile();
    const places = parameters.map((value) => (value instanceof Place ? value : new Fixed(value)));
    return { sql, table: /(?:from|into|update) "(\w+)"/.exec(sql)?.[1] ?? "store", places };
  };
}

/** A statement without parameters. */
export const fixedStatement = statement<Record<string, never>>();

/** Inserts a whole row, or replaces the one with the same key. Every column must be named, or it does not compile. */
export function upsert<
  T extends keyof Schema,
  K extends keyof Schema[T] & string,
  R extends Exclude<keyof Schema[T] & string, K>,
>(
  table: T,
  columns: { readonly key: readonly K[]; readonly rest: readonly R[] } & Whole<Exclude<keyof Schema[T], K | R>>,
): Statement<Schema[T], never> {
  const row = Object.fromEntries([...columns.key, ...columns.rest].map((name) => [name, new Place(name)]));
  const { sql, parameters } = builder
    .insertInto(table)
    .values(row as never)
    .onConflict((conflict) => {
      const target = conflict.columns(columns.key as never);
      if (columns.rest.length === 0) return target.doNothing();
      return target.doUpdateSet(
        ({ ref }) => Object.fromEntries(columns.rest.map((name) => [name, ref(`excluded.${name}` as never)])) as never,
      );
    })
    .compile();
  return { sql, table, places: parameters as readonly Place[] };
}

/** Nothing when no column is missing, or a property that names the missing ones. */
type Whole<Missing> = [Missing] extends [never] ? unknown : { readonly missing: Missing };

/** Where a named parameter goes. */
export class Place {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A value that is part of the query. */
export class Fixed {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}

type At<P> = <K extends keyof P & string>(name: K) => Exclude<P[K], undefined>;

const builder = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
  plugins: [new CamelCasePlugin()],
});
