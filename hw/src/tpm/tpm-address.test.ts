import { describe, expect, it } from "vitest";
import { parseTpmAddress } from "./tpm-address.ts";

describe("the address of a TPM", () => {
  it.each([
    ["device:/dev/tpmrm0", { kind: "device", path: "/dev/tpmrm0" }],
    ["swtpm:path=/run/swtpm.sock", { kind: "socket", path: "/run/swtpm.sock" }],
    ["swtpm:host=127.0.0.1,port=2321", { kind: "tcp", host: "127.0.0.1", port: 2321 }],
    ["swtpm:host=::1,port=65535", { kind: "tcp", host: "::1", port: 65_535 }],
  ])("%s is read", (text, address) => {
    expect(parseTpmAddress(text)).toEqual(address);
  });

  it.each([
    "",
    "/dev/tpmrm0",
    "device:tpmrm0",
    "device:",
    "swtpm:",
    "swtpm:host=a,port=0",
    "swtpm:host=a,port=65536",
    "swtpm:host=a b,port=1",
    "tabrmd:",
    "device:/dev/tpm\n0",
  ])("%j is refused", (text) => {
    expect(() => parseTpmAddress(text)).toThrow(expect.objectContaining({ code: "config-invalid" }));
  });
});
