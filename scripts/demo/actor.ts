import type { Actor } from "@fleetcert/controller";

/** Over the unix socket the controller knows who calls; this only satisfies the types. */
export const localActor: Actor = { name: "local", role: "admin" };
