import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pemDecode, sha256Hex } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { keepBrokerFiles } from "../../../controller/src/cli/serving/broker-files.ts";
import { startTestController, type TestController } from "../../support/controller/controller.ts";
import { publishBundle } from "../../support/controller/publish-bundle.ts";
import { testSigner } from "../../support/keys/test-signer.ts";

let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "fleetcert-broker-roots-"));
});
afterAll(() => rm(data, { recursive: true, force: true }));

/** What an external broker is given at this moment: the roots it believes, and how many certificates it presents. */
async function given(controller: TestController) {
  const { directory, changed, roots } = await keepBrokerFiles({
    ...{ config: controller.config, data, keys: controller.world.keys, duties: controller },
  });
  const file = await readFile(join(directory, "server.pem"), "utf8");
  const fingerprints = pemDecode(roots, "CERTIFICATE").map((der) => sha256Hex(der));
  return { changed, roots: fingerprints, presents: pemDecode(file, "CERTIFICATE").length };
}

it("an external broker believes the old root beside the new one until nobody is led from it any more", async () => {
  const controller = await startTestController({ config: "broker: {kind: external}" });
  const { sha256: old } = controller.world.pki.root;
  expect(await given(controller)).toMatchObject({ roots: [old], presents: 3 });
  const newRootSigner = testSigner("P-384");
  const newIssuerKey = await controller.world.keys.generate({ algorithm: "P-256", label: "issuing" });
  const [, added = new Uint8Array()] = (await publishBundle(controller, { newRootSigner, newIssuerKey })).roots;
  const both = [old, sha256Hex(added)];
  expect(await given(controller)).toMatchObject({ changed: "told", roots: both, presents: 3 });
  await controller.issuers.refresh();
  await controller.issuers.switchTo(newIssuerKey.id);
  expect(await given(controller)).toMatchObject({ changed: "told", roots: both, presents: 5 });
  const rootSigner = newRootSigner;
  await publishBundle(controller, { rootSigner, retiredRoot: old });
  expect(await given(controller)).toMatchObject({ changed: "nothing", roots: both });
  await publishBundle(controller, { rootSigner, withoutBridges: true });
  expect(await given(controller)).toMatchObject({ changed: "told", roots: both.slice(1) });
});
