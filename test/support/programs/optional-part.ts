import { describe, expect, it } from "vitest";

/** A program or module of the machine that some tests need. */
export interface OptionalPart {
  readonly name: string;
  readonly isPresent: boolean;
  /** The command that installs it. */
  readonly install: string;
}

/**
 * A `describe` for tests that need parts of the machine. Where one is missing, a single test stands in that says so;
 * it fails when FLEETCERT_VECTORS_REQUIRED=1, so that CI cannot lose these tests silently.
 */
export function describeWith(parts: readonly OptionalPart[], name: string, define: () => void): void {
  const missing = parts.filter(({ isPresent }) => !isPresent);
  if (missing.length === 0) {
    describe(name, define);
    return;
  }
  const what = missing.map((part) => `${part.name} (${part.install})`).join(", ");
  it(`${name}: NOT RUN, missing ${what}`, () => {
    expect(process.env["FLEETCERT_VECTORS_REQUIRED"], `this machine must have ${what}`).not.toBe("1");
  });
}
