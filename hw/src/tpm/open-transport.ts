import { openDeviceTransport } from "./device-transport.ts";
import { SocketTransport } from "./socket-transport.ts";
import type { TpmAddress } from "./tpm-address.ts";
import type { TpmTransport } from "./transport.ts";

/** Opens the way to a TPM; what is wrong with it shows at the first command. */
export function openTransport(address: TpmAddress): TpmTransport {
  return address.kind === "device" ? openDeviceTransport(address.path) : new SocketTransport(address);
}
