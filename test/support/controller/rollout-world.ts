import type { CertificateRecord } from "../../../controller/src/records.ts";
import type { RolloutGates } from "../../../controller/src/rotation-records.ts";
import { aCertificate, aDevice, hex64 } from "../../contracts/store-records.ts";
import { aWorld, type ControllerWorld, startTestController, type TestController } from "./controller.ts";

/** A fleet that is only rows of the store: devices do what a test says, without keys or messages. */
export class RolloutWorld {
  readonly world: ControllerWorld;
  controller: TestController;

  private constructor(world: ControllerWorld, controller: TestController) {
    this.world = world;
    this.controller = controller;
  }

  static async open(devices: number): Promise<RolloutWorld> {
    const world = await aWorld();
    const opened = new RolloutWorld(world, await startTestController({ world, publish: false }));
    await world.store.transaction(async (tx) => {
      for (const id of opened.ids(devices)) {
        await tx.devices.put(aDevice({ id, lastSeenAt: world.clock.now() }));
        await tx.certificates.put(opened.#certificate(id, 1, { state: "proven", provenAt: 1 }));
      }
    });
    return opened;
  }

  ids(devices: number): string[] {
    return Array.from({ length: devices }, (_, index) => `edge-${index}`);
  }

  /** The process ends and another begins on what is stored. */
  async restart(): Promise<void> {
    this.controller = await startTestController({ world: this.world, publish: false });
  }

  /** Plans a rollout of the first devices and starts it; resolves with its id. */
  async begin(
    devices: number,
    some: { readonly percents: readonly number[]; readonly gates?: Partial<RolloutGates> },
  ): Promise<string> {
    const { rollout } = await this.controller.rollouts.plan("operator:alice", {
      ...{ devices: this.ids(devices), filter: "", slot: "identity", spread: 0, isUrgent: false, explanationUrl: "" },
      shape: { percents: some.percents, bySite: false },
      gates: { provenPercent: 100, maxFailures: 0, within: 3_600_000, soak: 0, ...some.gates },
    });
    await this.controller.rollouts.start("operator:alice", rollout.id);
    return rollout.id;
  }

  /** Devices that are asked for another generation now. */
  async wished(devices: number): Promise<string[]> {
    return await this.world.store.transaction(async (tx) => {
      const found: string[] = [];
      for (const id of this.ids(devices)) if ((await tx.wishes.find(id, "identity")) !== undefined) found.push(id);
      return found;
    });
  }

  /** The device does what it is asked. */
  async prove(id: string): Promise<void> {
    await this.world.store.transaction(async (tx) => {
      const wish = await tx.wishes.find(id, "identity");
      if (wish === undefined) return;
      const { generation } = wish;
      await tx.certificates.put(
        this.#certificate(id, generation, { state: "proven", provenAt: this.world.clock.now() }),
      );
      await this.controller.inventory.slotProven(tx, { device: id, slot: "identity", generation });
    });
    await this.contact(id);
  }

  /** The device gets its certificate and does not use it. */
  async issue(id: string): Promise<void> {
    await this.world.store.transaction(async (tx) => {
      const wish = await tx.wishes.find(id, "identity");
      if (wish === undefined) return;
      await tx.certificates.put(this.#certificate(id, wish.generation, { state: "issued", provenAt: undefined }));
    });
    await this.contact(id);
  }

  /** The device tries and reports why it could not. */
  async fail(id: string, lastError = "hook-failed: nginx does not start"): Promise<void> {
    await this.contact(id);
    const report = JSON.stringify({ slots: [{ slot: "identity", generation: 1, lastError }] });
    await this.world.store.transaction((tx) =>
      tx.reports.put({ device: id, receivedAt: this.world.clock.now(), report }),
    );
  }

  /** The device was seen. */
  async contact(id: string): Promise<void> {
    await this.world.store.transaction(async (tx) => {
      const device = await tx.devices.find(id);
      if (device !== undefined) await tx.devices.put({ ...device, lastSeenAt: this.world.clock.now() });
    });
  }

  #certificate(device: string, generation: number, some: Partial<CertificateRecord>): CertificateRecord {
    const number = Number(device.slice(5)) * 100 + generation;
    const issuedAt = this.world.clock.now();
    return aCertificate(number, {
      sha256: hex64(number),
      device,
      generation,
      issuedAt,
      notAfter: issuedAt + 9e9,
      ...some,
    });
  }
}
