import { FleetError } from "./errors.ts";

/** Id of a device: also its MQTT client id and the common name of its identity certificate. */
export type DeviceId = string & { readonly __brand: "DeviceId" };

/** Whether a text is a device id: `^[a-z0-9][a-z0-9._-]{0,63}$`. */
export const isDeviceId = (text: string): text is DeviceId => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text);

/** The text as a device id; throws `request-invalid`. */
export function parseDeviceId(text: string): DeviceId {
  if (isDeviceId(text)) return text;
  throw new FleetError("request-invalid", `"${text.slice(0, 80)}" is no device id`, {
    hint: "1 to 64 of a-z, 0-9, dot, underscore and dash, beginning with a letter or digit",
  });
}

/** The same, by the name the type carries. */
export const DeviceId = { parse: parseDeviceId } as const;
