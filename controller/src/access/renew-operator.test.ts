import { encodeCsr, parseCertificate } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { startTestController } from "../../../test/support/controller/controller.ts";
import { administrator } from "../../../test/support/controller/real-controller.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { verifyAudit } from "../audit/verify-audit.ts";
import { authenticateOperator } from "./authenticate-operator.ts";
import { operationsOf } from "./operations-of-duties.ts";

async function aWorld() {
  const controller = await startTestController();
  const { clock, pki } = controller.world;
  const { operators } = operationsOf({
    ...{ ...controller, clock, random: { bytes: (length) => new Uint8Array(length), fraction: () => 0.5 } },
    ownExpiries: async () => [],
    verifyAudit: () => verifyAudit(controller.store),
  });
  const trusted = {
    store: controller.store,
    clock,
    roots: [pki.root.der],
    issuers: [controller.authority.certificate],
  };
  const csrOf = (name: string) => encodeCsr({ signer: testSigner("P-256"), commonName: name });
  return { controller, operators, csrOf, authenticate: (der: Uint8Array) => authenticateOperator(trusted, [der]) };
}

describe("an operator's certificate", () => {
  it("is renewed under the same name, person and role; the one of before ends at once", async () => {
    const { controller, operators, csrOf, authenticate } = await aWorld();
    const first = await operators.create(administrator, { name: "erin", role: "security", csr: await csrOf("erin") });
    const second = await operators.renew(administrator, { name: "erin", csr: await csrOf("erin") });
    expect(second.operator).toMatchObject({ name: "erin", role: "security", person: first.operator.person });
    expect(await authenticate(second.certificate)).toEqual({ name: "operator:erin", role: "security" });
    await expect(authenticate(first.certificate)).rejects.toMatchObject({ code: "unauthenticated" });
    const { serial } = parseCertificate(first.certificate);
    const revocation = await controller.store.transaction((tx) =>
      tx.revocations.find(controller.authority.id, serial.hex),
    );
    expect(revocation).toMatchObject({ reason: "superseded" });
    const entries = await controller.store.transaction((tx) => tx.audit.list(1, 1000));
    expect(entries.filter(({ action }) => action === "operator.renewed")).toMatchObject([
      { actor: "local", target: "erin", outcome: "success" },
    ]);
  });

  it("is known by who renewed it for another: that person could act in the other's name (I14)", async () => {
    const { controller, operators, csrOf } = await aWorld();
    for (const name of ["mallory", "erin"]) {
      await operators.create(administrator, { name, role: "admin", csr: await csrOf(name) });
    }
    const renew = async (actor: string) => {
      await operators.renew({ name: actor, role: "admin" }, { name: "erin", csr: await csrOf("erin") });
      return (await controller.store.transaction((tx) => tx.operators.find("erin")))?.createdBy;
    };
    expect(await renew("operator:erin#00112233aabbccdd")).toBe("local");
    expect(await renew("operator:mallory")).toBe("operator:mallory");
    const asked = { actor: "operator:mallory", kind: "bound", request: { bound: "revoke", value: 1000 } };
    await expect(controller.approval.submit(asked)).rejects.toMatchObject({ code: "second-person-required" });
    const [plan] = await controller.approval.list(1);
    await expect(controller.approval.approve("operator:erin", plan?.hash ?? "")).rejects.toMatchObject({
      code: "denied",
    });
  });

  it("is not renewed for nobody, nor for one whose access was taken away", async () => {
    const { operators, csrOf } = await aWorld();
    const csr = await csrOf("erin");
    await expect(operators.renew(administrator, { name: "erin", csr })).rejects.toMatchObject({ code: "not-found" });
    await operators.create(administrator, { name: "erin", role: "viewer", csr });
    await operators.disable(administrator, "erin");
    await expect(operators.renew(administrator, { name: "erin", csr: await csrOf("erin") })).rejects.toMatchObject({
      code: "conflict",
    });
  });
});
