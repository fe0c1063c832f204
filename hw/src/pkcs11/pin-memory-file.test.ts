import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "@fleetcert/shared";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { openPinMemoryFile } from "./pin-memory-file.ts";

describe("the memory of refused PINs in a file", () => {
  const directory = mkdtempSync(join(tmpdir(), "fleetcert-refused-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const pin = Secret.of("8731-secret");

  it("knows after a restart what was put before, without holding a PIN", () => {
    const path = join(directory, "kept");
    const before = openPinMemoryFile(path);
    before.put("01/token", { refused: [before.markOf(pin)], inARow: 1 });
    const after = openPinMemoryFile(path);
    expect(after.find("01/token")).toEqual({ refused: [after.markOf(pin)], inARow: 1 });
    expect(after.find("02/token")).toBeUndefined();
    expect(readFileSync(path, "utf8")).not.toContain("8731");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("knows what another process put meanwhile, and does not write over it", () => {
    const path = join(directory, "shared");
    const [one, other] = [openPinMemoryFile(path), openPinMemoryFile(path)];
    one.put("01/a", { refused: [one.markOf(pin)], inARow: 1 });
    other.put("02/b", { refused: [], inARow: 0 });
    expect(other.find("01/a")?.refused).toEqual([other.markOf(pin)]);
    expect(one.find("02/b")).toEqual({ refused: [], inARow: 0 });
  });

  it("marks a PIN under a key of its own", () => {
    const [first, second] = ["one", "other"].map((name) => openPinMemoryFile(join(directory, name)).markOf(pin));
    expect(first).not.toBe(second);
  });

  it("is begun anew from anything that cannot be understood", () => {
    const path = join(directory, "damaged");
    const key = Buffer.alloc(32).toString("base64");
    const nearly = fc.record({
      key: fc.constantFrom(key, "", 5),
      tokens: fc.oneof(fc.constant(null), fc.dictionary(fc.string(), fc.anything())),
    });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      nearly.map((value) => Buffer.from(JSON.stringify(value))),
    );
    fc.assert(
      fc.property(bytes, (content) => {
        writeFileSync(path, content);
        const memory = openPinMemoryFile(path);
        const record = { refused: [memory.markOf(Secret.of("x"))], inARow: 1 };
        memory.put("token", record);
        expect(openPinMemoryFile(path).find("token")).toEqual(record);
      }),
      { numRuns: 50 },
    );
  });

  it("forgets the oldest of more tokens than it holds", () => {
    const memory = openPinMemoryFile(join(directory, "many"));
    for (let token = 0; token < 70; token++) memory.put(`token-${token}`, { refused: [], inARow: 0 });
    const after = openPinMemoryFile(join(directory, "many"));
    expect([after.find("token-0"), after.find("token-69")]).toEqual([undefined, { refused: [], inARow: 0 }]);
  });
});
