import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TpmTransport } from "../../hw/src/tpm/transport.ts";

/** What stands behind a transport under test and how it can be made to fail. */
export interface TransportUnderTest {
  /** A transport to a TPM, or to something that answers TPM2_GetRandom as one. */
  open(): TpmTransport;
  /** A transport to a place where there is no TPM. */
  openNowhere(): TpmTransport;
  /** Makes the next exchange of open transports fail; afterwards the TPM is there again. */
  interrupt(): Promise<void>;
  stop(): Promise<void>;
}

/** What every way to a TPM must do. */
export function tpmTransportContract(name: string, start: () => Promise<TransportUnderTest>): void {
  describe(`TPM transport contract: ${name}`, () => {
    let world: TransportUnderTest;
    beforeAll(async () => {
      world = await start();
    });
    afterAll(async () => {
      await world.stop();
    });

    it("gives the response to a command before it returns, one after the other", () => {
      const transport = world.open();
      for (const bytes of [1, 16, 32]) {
        const response = Buffer.from(transport.transact(getRandom(bytes)));
        expect(response.readUInt32BE(2)).toBe(response.length);
        expect(response.readUInt32BE(6)).toBe(0);
        expect(response).toHaveLength(12 + bytes);
      }
      transport.close();
    });

    it("gives the response of a refused command, too", () => {
      const transport = world.open();
      const response = Buffer.from(transport.transact(Buffer.from("80010000000a00000fff", "hex")));
      expect(response).toHaveLength(10);
      expect(response.readUInt32BE(6)).not.toBe(0);
      transport.close();
    });

    it("says key-store-unavailable when there is no TPM, each time it is asked", () => {
      const transport = world.openNowhere();
      for (let round = 0; round < 2; round++) {
        expect(() => transport.transact(getRandom(8))).toThrow(
          expect.objectContaining({ code: "key-store-unavailable", retry: true }),
        );
      }
      transport.close();
    });

    it("fails with a typed error when the TPM goes away, and works again when it is back", async () => {
      const transport = world.open();
      transport.transact(getRandom(8));
      await world.interrupt();
      expect(() => transport.transact(getRandom(8))).toThrow(expect.objectContaining({ name: "FleetError" }));
      // An emulator may need to be started; what counts is that it answers.
      expect(transport.transact(getRandom(8)).length).toBeGreaterThanOrEqual(10);
      transport.close();
    });

    it("is closed twice without an error, and opens itself for the next command", () => {
      const transport = world.open();
      transport.transact(getRandom(8));
      transport.close();
      transport.close();
      expect(transport.transact(getRandom(8))).toHaveLength(20);
      transport.close();
    });
  });
}

function getRandom(bytes: number): Buffer {
  return Buffer.from(`80010000000c0000017b${bytes.toString(16).padStart(4, "0")}`, "hex");
}
