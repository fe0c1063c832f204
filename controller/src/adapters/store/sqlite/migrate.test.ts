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
  const added: Migration = { version: 2, name: "add-colour", sql: "alter table settings add column colour text" };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "fleetcert-store-"));
    path = join(directory, "store.db");
  });
  afterEach(() => rm(directory, { recursive: true }));

  it("are numbered 1, 2, 3 … without a gap", () => {
    expect(migrations.map(({ version }) => version)).toEqual(migrations.map((_, index) => index + 1));
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
    expect(recorded(path)).toEqual(["first-schema", "add-colour"]);
  });

  it("refuse a store that a newer controller wrote, and leave it as it is", async () => {
    await (await openSqliteStore({ path, migrations: [...migrations, added] })).close();
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      code: "data-directory",
      message: expect.stringContaining("schema 2"),
      hint: expect.stringContaining("newer controller"),
    });
    expect(recorded(path)).toEqual(["first-schema", "add-colour"]);
  });

  it("are all or none", async () => {
    await (await openSqliteStore({ path })).close();
    const broken: Migration = { version: 3, name: "broken", sql: "create table half (a); select no_such_function()" };
    await expect(openSqliteStore({ path, migrations: [...migrations, added, broken] })).rejects.toMatchObject({
      code: "store-failed",
    });
    expect(recorded(path)).toEqual(["first-schema"]);
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
