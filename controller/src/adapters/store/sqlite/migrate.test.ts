import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Migration, migrate, migrations } from "./migrate.ts";
import { openSqliteStore } from "./open-store.ts";

describe("migrations", () => {
  let directory: string;
  let path: string;
  const newest = migrations.at(-1)?.version ?? 0;
  const names = migrations.map(({ name }) => name);
  const added: Migration = {
    version: newest + 1,
    name: "add-colour",
    sql: "alter table settings add column colour text",
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "fleetcert-store-"));
    path = join(directory, "store.db");
  });
  afterEach(() => rm(directory, { recursive: true }));

  it("are numbered upwards", () => {
    const versions = migrations.map(({ version }) => version);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  });

  it("take up one whose number was left out before", async () => {
    await (await openSqliteStore({ path, migrations: [...migrations, { ...added, version: newest + 2 }] })).close();
    const late: Migration = { ...added, name: "add-shape", sql: "alter table settings add column shape text" };
    await (
      await openSqliteStore({ path, migrations: [...migrations, late, { ...added, version: newest + 2 }] })
    ).close();
    expect(recorded(path)).toEqual([...names, "add-shape", "add-colour"]);
  });

  it("are applied once each, keep what is there, and are recorded", async () => {
    const old = await openSqliteStore({ path });
    await old.transaction((tx) => tx.settings.put("a", "b"));
    await old.close();
    for (let time = 0; time < 2; time += 1) {
      const store = await openSqliteStore({ path, migrations: [...migrations, added] });
      expect(await store.transaction((tx) => tx.settings.find("a"))).toBe("b");
      await store.close();
    }
    expect(recorded(path)).toEqual([...names, "add-colour"]);
  });

  it("refuse a store that a newer controller wrote, and leave it as it is", async () => {
    await (await openSqliteStore({ path, migrations: [...migrations, added] })).close();
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      code: "data-directory",
      message: expect.stringContaining(`schema ${newest + 1}`),
      hint: expect.stringContaining("newer controller"),
    });
    expect(recorded(path)).toEqual([...names, "add-colour"]);
  });

  it("are all or none", async () => {
    await (await openSqliteStore({ path })).close();
    const broken: Migration = {
      version: newest + 2,
      name: "broken",
      sql: "create table half (a); select no_such_function()",
    };
    await expect(openSqliteStore({ path, migrations: [...migrations, added, broken] })).rejects.toMatchObject({
      code: "store-failed",
    });
    expect(recorded(path)).toEqual(names);
    await (await openSqliteStore({ path })).close();
  });

  it("leave no file when the first ones fail", async () => {
    const broken: Migration = { version: 1, name: "broken", sql: "create tabel a" };
    await expect(openSqliteStore({ path, migrations: [broken] })).rejects.toMatchObject({ code: "store-failed" });
    expect(await readdir(directory)).toEqual([]);
  });

  it("make every table strict, and the audit one that cannot be changed", () => {
    const database = new DatabaseSync(":memory:");
    migrate(database, migrations, 0);
    const tables = database.prepare("select name from pragma_table_list where schema = 'main' and not strict").all();
    expect(tables.map(({ name }) => name).filter((name) => !String(name).startsWith("sqlite_"))).toEqual([]);
    database.exec("insert into audit values (1, 0, 'a', 'b', 'c', 'd', '{}', 'e', 'f')");
    for (const change of ["update audit set at = 1", "delete from audit"]) {
      expect(() => database.exec(change)).toThrow("append-only");
    }
    database.close();
  });
});

function recorded(path: string): unknown[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare("select name from migrations order by version").all();
  database.close();
  return rows.map(({ name }) => name);
}
