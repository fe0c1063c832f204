import { FleetError } from "@fleetcert/shared";

/** Where a TPM is. */
export type TpmAddress =
  | { readonly kind: "device"; readonly path: string }
  | { readonly kind: "socket"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/**
 * Parses where a TPM is, in the words of the TPM software stack: `device:/dev/tpmrm0`,
 * `swtpm:host=127.0.0.1,port=2321` or `swtpm:path=/run/swtpm.sock`. Throws `config-invalid`.
 */
export function parseTpmAddress(text: string): TpmAddress {
  const device = /^device:(\/[ -~]{1,200})$/.exec(text)?.[1];
  if (device !== undefined) return { kind: "device", path: device };
  const path = /^swtpm:path=(\/[ -~]{1,100})$/.exec(text)?.[1];
  if (path !== undefined) return { kind: "socket", path };
  const [, host, digits] = /^swtpm:host=([0-9A-Za-z.:-]{1,253}),port=([1-9][0-9]{0,4})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host !== undefined && port <= 65_535) return { kind: "tcp", host, port };
  throw new FleetError("config-invalid", "the address of the TPM is malformed", {
    hint: "it looks like device:/dev/tpmrm0, swtpm:host=127.0.0.1,port=2321 or swtpm:path=/run/swtpm.sock",
  });
}
