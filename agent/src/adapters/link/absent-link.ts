import { FleetError } from "@fleetcert/shared";
import type { Link } from "../../ports.ts";

/** The link of a device that is worked on without a network: no session ever opens, and nothing is tried. */
export const absentLink: Link = {
  open: () => Promise.reject(new FleetError("offline", "this command uses no network", { retry: true })),
};
