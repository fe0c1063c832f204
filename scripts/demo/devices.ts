/** What a device of the demo is there to show. */
export type DeviceRole = "hosted" | "process" | "cut-off" | "clock-behind" | "clock-ahead";

/** One device of the demo's fleet. */
export interface DemoDevice {
  readonly id: string;
  readonly role: DeviceRole;
  /** Whether it is taken away at the end. */
  readonly isRevoked: boolean;
}

/**
 * The fleet of a run. At least five are processes of their own, the special ones among them; below eight devices there are no
 * special ones, and none with a skewed clock where nothing can skew it. The last min(3, ⌊N/8⌋) are revoked, one of them a process of its own.
 */
export function demoDevices(count: number, run: number, { hasSkewedClocks = true } = {}): DemoDevice[] {
  const roles: DeviceRole[] = count < fewestForScenes ? [] : ["cut-off"];
  if (roles.length > 0 && hasSkewedClocks) roles.push("clock-behind", "clock-ahead");
  while (roles.length < Math.min(5, count)) roles.push("process");
  const revoked = Math.min(3, Math.floor(count / 8));
  const lastProcess = roles.length - 1;
  return Array.from({ length: count }, (_, index) => ({
    id: `edge-${run}-${String(index + 1).padStart(3, "0")}`,
    role: roles[index] ?? "hosted",
    isRevoked: revoked > 0 && (index === lastProcess || index > count - revoked),
  }));
}

/** Below this the special scenes are left out. */
export const fewestForScenes = 8;
