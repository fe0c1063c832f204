import { existsSync } from "node:fs";
import { join } from "node:path";
import type { OptionalPart } from "../programs/optional-part.ts";

/** The built addon of hw/native. */
export const tlsAddonPath: string = join(import.meta.dirname, "../../../hw/native/build/Release/fleetcert_tls.node");

/** For `describeWith`. */
export const tlsAddonPart: OptionalPart = {
  name: "the TLS addon",
  isPresent: existsSync(tlsAddonPath),
  install: "node hw/build-native.mjs --required",
};
