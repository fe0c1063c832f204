import { generateKeyPairSync, sign } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectController, type Operations } from "@fleetcert/controller";
import { encodeCsr, pemEncode } from "@fleetcert/shared";
import { localActor } from "./actor.ts";
import type { Stage } from "./stage.ts";

/** A person of the demo at the controller's API: by an operator certificate, or by an API key of the same operator. */
export interface Person {
  readonly name: string;
  readonly byCertificate: Operations;
  readonly byKey: Operations;
}

/** Gives a new person access and connects twice over HTTPS. */
export async function letIn(stage: Stage, who: string, role: "security" | "approver"): Promise<Person> {
  const { controller, place } = stage;
  const name = `${who}-${place.run}-${Date.now().toString(36)}`;
  const folder = join(place.agents, `person-${name}`);
  await mkdir(folder, { mode: 0o700 });
  const file = async (kind: string, text: string): Promise<string> => {
    const path = join(folder, kind);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const csr = await encodeCsr({
    commonName: name,
    signer: {
      algorithm: "P-256",
      spki: Uint8Array.from(pair.publicKey.export({ type: "spki", format: "der" })),
      sign: async (message) => Uint8Array.from(sign("sha256", message, pair.privateKey)),
    },
  });
  const { operators } = controller.operations;
  const made = await operators.create(localActor, { name, role, csr });
  const { text } = await operators.createKey(localActor, { operator: name, validFor: 3_600_000 });
  const url = `https://127.0.0.1:${controller.endpoints.api.port}`;
  const root = join(place.controller, "ca", "root.pem");
  const chain = [made.certificate, ...made.chain].map((der) => pemEncode("CERTIFICATE", der)).join("");
  const cert = await file("cert.pem", chain);
  const key = await file("key.pem", pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  return {
    name,
    byCertificate: await connectController({ url, root, cert, key }, {}),
    byKey: await connectController({ url, root, apiKey: await file("api-key", text) }, {}),
  };
}
