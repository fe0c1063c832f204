import { describe, expect, it } from "vitest";
import { tpmTransportContract } from "../../../test/contracts/tpm-transport.ts";
import { type DeviceFiles, openDeviceTransport } from "./device-transport.ts";

/** A device file as the kernel's documentation describes it: one write, one read, and nothing in between. */
class FakeDevice implements DeviceFiles {
  readonly #responses = new Map<number, Uint8Array>();
  #files = 0;
  failing: string | undefined;

  open(path: string): number {
    if (path !== "/dev/tpmrm0") throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    this.#responses.set(++this.#files, new Uint8Array(0));
    return this.#files;
  }

  write(file: number, octets: Uint8Array): number {
    const code = this.failing;
    this.failing = undefined;
    if (code !== undefined) throw Object.assign(new Error("input/output error"), { code });
    if (!this.#responses.has(file)) throw Object.assign(new Error("bad file"), { code: "EBADF" });
    this.#responses.set(file, answer(octets));
    return octets.length;
  }

  read(file: number, room: Uint8Array): number {
    const response = this.#responses.get(file) ?? new Uint8Array(0);
    room.set(response);
    return response.length;
  }

  close(file: number): void {
    this.#responses.delete(file);
  }

  get openFiles(): number {
    return this.#responses.size;
  }
}

tpmTransportContract("a device file (a fake one)", async () => {
  const device = new FakeDevice();
  return {
    open: () => openDeviceTransport("/dev/tpmrm0", device),
    openNowhere: () => openDeviceTransport("/dev/tpm-not-there", device),
    async interrupt() {
      device.failing = "EIO";
    },
    async stop() {
      expect(device.openFiles).toBe(0);
    },
  };
});

describe("the device file of a TPM", () => {
  it.each([
    ["ENOENT", "no TPM 2.0"],
    ["EACCES", "group tss"],
    ["EBUSY", "/dev/tpmrm0"],
    ["EIO", "kernel's log"],
  ])("explains %s", (code, hint) => {
    const device = new FakeDevice();
    device.failing = code;
    expect(() => openDeviceTransport("/dev/tpmrm0", device).transact(new Uint8Array(10))).toThrow(
      expect.objectContaining({ code: "key-store-unavailable", hint: expect.stringContaining(hint) }),
    );
    expect(device.openFiles).toBe(0);
  });

  it("is closed when it takes half a command or gives nothing", () => {
    for (const broken of [{ write: () => 3 }, { read: () => 0 }]) {
      const device = new FakeDevice();
      const files: DeviceFiles = {
        open: (path) => device.open(path),
        write: (file, octets) => device.write(file, octets),
        read: (file, room) => device.read(file, room),
        close: (file) => device.close(file),
        ...broken,
      };
      expect(() => openDeviceTransport("/dev/tpmrm0", files).transact(new Uint8Array(10))).toThrow(
        expect.objectContaining({ code: "key-store-unavailable" }),
      );
      expect(device.openFiles).toBe(0);
    }
  });

  it("really is asked, and says what is missing on this machine when it is not there", () => {
    const transport = openDeviceTransport("/dev/tpm-surely-not-there");
    expect(() => transport.transact(new Uint8Array(10))).toThrow("ENOENT");
  });
});

/** TPM2_GetRandom, and a refusal for everything else. */
function answer(command: Uint8Array): Uint8Array {
  const octets = Buffer.from(command);
  if (octets.readUInt32BE(6) !== 0x17b) return Buffer.from("80010000000a00000143", "hex");
  const bytes = octets.readUInt16BE(10);
  const response = Buffer.alloc(12 + bytes, 0xaa);
  response.writeUInt16BE(0x8001, 0);
  response.writeUInt32BE(response.length, 2);
  response.writeUInt32BE(0, 6);
  response.writeUInt16BE(bytes, 10);
  return response;
}
