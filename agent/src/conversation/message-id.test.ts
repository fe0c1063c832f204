import { expect, it } from "vitest";
import { formatMessageId } from "./message-id.ts";

it("a message id is a UUIDv7: time first, version and variant in their places", () => {
  // The example of RFC 9562 appendix A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F.
  const random = Uint8Array.from(Buffer.from("0cc318c4dc0c0c07398f", "hex"));
  expect(formatMessageId(0x017f22e279b0, random)).toBe("017f22e279b07cc398c4dc0c0c07398f");
});

it("message ids order by their time", () => {
  const random = new Uint8Array(10).fill(255);
  expect(formatMessageId(1_000, random) < formatMessageId(1_001, new Uint8Array(10))).toBe(true);
});
