import { FleetError, type SecretSource } from "@fleetcert/shared";
import type { KeyProviderConfig } from "../open-key-provider.ts";
import { pinSource } from "../pin-source.ts";
import { formatPkcs11Uri, parsePkcs11Uri } from "./uri.ts";

/**
 * The token that a URI names together with its module and PIN source, as RFC 7512 §2.4 allows:
 * `pkcs11:token=ca;serial=01?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/fleetcert/pin`. What the URI
 * leaves out may be given beside it. A plain label is taken too.
 *
 * Throws `config-invalid` when the module or the PIN source is nowhere named, `request-invalid` for a malformed URI.
 */
export function tokenStore(
  labelOrUri: string,
  beside: {
    readonly modulePath?: string | undefined;
    readonly pin?: SecretSource | undefined;
    readonly env?: Readonly<Record<string, string | undefined>>;
  } = {},
): Extract<KeyProviderConfig, { kind: "pkcs11" }> {
  const uri = labelOrUri.startsWith("pkcs11:") ? parsePkcs11Uri(labelOrUri) : { token: labelOrUri };
  const { modulePath = beside.modulePath, pinSource: source, ...selector } = uri;
  const pin = source === undefined ? beside.pin : pinSource(source, beside.env);
  if (modulePath === undefined || modulePath === "") {
    throw missing("module", "name it in the configuration, or as module-path in the token's URI");
  }
  if (pin === undefined)
    throw missing("PIN source", "name it in the configuration, or as pin-source in the token's URI");
  const { token, serial, model, manufacturer, slotId, slotDescription, slotManufacturer } = {
    ...noSelector,
    ...selector,
  };
  const given = { token, serial, model, manufacturer, slotId, slotDescription, slotManufacturer };
  return { kind: "pkcs11", modulePath, tokenLabel: formatPkcs11Uri(onlyDefined(given)), pin };
}

const missing = (what: string, hint: string): FleetError =>
  new FleetError("config-invalid", `no ${what} is named for the PKCS#11 token`, { hint });

function onlyDefined<T extends object>(value: T): { [Name in keyof T]?: NonNullable<T[Name]> } {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined && one !== "");
  return Object.fromEntries(entries) as { [Name in keyof T]?: NonNullable<T[Name]> };
}

const noSelector = {
  token: undefined,
  serial: undefined,
  model: undefined,
  manufacturer: undefined,
  slotId: undefined,
  slotDescription: undefined,
  slotManufacturer: undefined,
};
