import { describe, expect, it } from "vitest";
import { FleetError } from "../errors.ts";
import { errorText, exitCodeOf } from "./error-text.ts";
import { renderListing, renderOne } from "./listing.ts";
import { fromNow, span, when } from "./times.ts";
import { usageError, wantsJson } from "./usage-error.ts";

describe("a listing", () => {
  const items = [{ id: "a" }, { id: "b" }];
  const listing = {
    heads: ["", "id"],
    csvHeads: ["ok", "id"],
    rows: [
      ["✔", "a"],
      ["-", '=1+1,"b"\n\u001b[2J'],
    ],
  };

  it("is a table of aligned columns in which nothing moves the terminal", () => {
    expect(renderListing(items, listing, "table")).toBe('   ID\n✔  a\n-  =1+1,"b"\\u000a\\u001b[2J\n');
    expect(renderListing([], { heads: ["id"], rows: [] }, "table")).toBe("nothing to show\n");
  });

  it("is csv in which no spreadsheet runs a cell, and JSON with the items whole", () => {
    expect(renderListing(items, listing, "csv")).toBe('ok,id\r\n✔,a\r\n-,"\'=1+1,""b""\n\u001b[2J"\r\n');
    expect(JSON.parse(renderListing(items, listing, "json"))).toEqual(items);
    expect(renderListing(items, listing, "jsonl")).toBe('{"id":"a"}\n{"id":"b"}\n');
  });

  it("of one thing is names and values, or the thing whole", () => {
    expect(
      renderOne(
        { id: "a" },
        [
          ["id", "a"],
          ["state", "active"],
        ],
        "table",
      ),
    ).toBe("id     a\nstate  active\n");
    expect(renderOne({ id: "a" }, [["id", "a"]], "csv")).toBe("id,a\r\n");
    expect(JSON.parse(renderOne({ id: "a" }, [], "json"))).toEqual({ id: "a" });
  });
});

describe("an error", () => {
  const error = new FleetError("not-found", "there is no device x\u001b[2J", { hint: "look" });

  it("is what, why, what to do now and code, and where to read more if anywhere", () => {
    const told = errorText(error, { json: false, verbose: false, explainedBy: "fleetcert explain" });
    expect(told).toContain("  why   there is no device x\\u001b[2J\n  fix   look\n");
    expect(told).toContain("  code  not-found · fleetcert explain not-found\n");
    expect(errorText(error, { json: false, verbose: false })).toContain("  code  not-found\n");
  });

  it("is one line of JSON for programs, and has the exit code of its code", () => {
    const told = errorText(error, { json: true, verbose: false });
    expect(JSON.parse(told)).toMatchObject({ error: { code: "not-found", hint: "look", retryable: false } });
    expect(exitCodeOf(error)).toBe(5);
    expect(exitCodeOf(new Error("unforeseen"))).toBe(1);
  });

  it("of a command line has commander's suggestion as its hint", () => {
    expect(usageError({ message: "error: unknown command 'devise'\n(Did you mean device?)" })).toMatchObject({
      code: "usage",
      message: "unknown command 'devise'",
      hint: "Did you mean device?",
    });
    expect([["--json"], ["-o", "jsonl"], ["-ojson"], ["--output=json"], ["-o", "csv"]].map(wantsJson)).toEqual([
      ...[true, true, true, true, false],
    ]);
  });
});

describe("times for people", () => {
  it("have two units at most, tell nothing by a dash, and years from two on", () => {
    const day = 86_400_000;
    expect([12, 61_000, 25 * 3_600_000, 800 * day, undefined].map(span)).toEqual([
      "12 ms",
      "1m1s",
      "1d1h",
      "2.2y",
      "-",
    ]);
    expect([fromNow(0, 3_600_000), fromNow(2 * day, 0), fromNow(undefined, 0)]).toEqual(["1h ago", "in 2d", "-"]);
    expect([when(0), when(undefined)]).toEqual(["1970-01-01 00:00Z", "-"]);
  });
});
