// Exits 0 when keys in a token can be used for TLS here: pkcs11js loads and the addon registers a key.

import { generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";
import { openTlsKeyHandle } from "@fleetcert/hw";

createRequire(new URL("../../hw/package.json", import.meta.url))("pkcs11js");
const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
openTlsKeyHandle(publicKey.export({ type: "spki", format: "der" }), () => new Uint8Array()).close();
