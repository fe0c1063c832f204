import { format, inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { Secret } from "./secret.ts";

describe("Secret", () => {
  const secret = Secret.of("correct horse");

  it("gives its text only to the caller who asks for it", () => {
    expect(secret.reveal()).toBe("correct horse");
  });

  it("prints [secret] as text, JSON, inspection, format and nested value", () => {
    const printed = [
      `${secret}`,
      JSON.stringify({ pin: secret }),
      inspect(secret),
      inspect({ pin: secret }, { depth: 9, showHidden: true }),
      format("%s %o %j", secret, secret, secret),
      String(new Error(`wrong ${secret}`)),
    ];
    for (const text of printed) {
      expect(text).toContain("[secret]");
      expect(text).not.toContain("horse");
    }
  });

  it("shows nothing to somebody who walks its properties", () => {
    expect(Reflect.ownKeys(secret)).toEqual([]);
    expect({ ...secret }).toEqual({});
  });
});
