import { describe, expect, it } from "vitest";
import { formatKeyLabel, generationOfLabel, keyLabelPrefix } from "./key-label.ts";

describe("labels of keys", () => {
  const place = { device: "pump-1", slot: "identity" };

  it("name device, slot and generation", () => {
    expect(formatKeyLabel({ ...place, generation: 12 })).toBe("fleetcert:pump-1:identity:12");
    expect(generationOfLabel("fleetcert:pump-1:identity:12", place)).toBe(12);
    expect(keyLabelPrefix(place)).toBe("fleetcert:pump-1:identity:");
  });

  it.each([
    "fleetcert:pump-10:identity:1",
    "fleetcert:pump-1:web:1",
    "fleetcert:pump-1:identity:",
    "fleetcert:pump-1:identity:0",
    "fleetcert:pump-1:identity:1x",
    "someone else's key",
  ])("take %s for nobody's of this slot", (label) => {
    expect(generationOfLabel(label, place)).toBeUndefined();
  });
});
