import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mayDeviceSubscribe } from "@fleetcert/proto";
import { describe, expect, it } from "vitest";
import { mosquittoFiles } from "./mosquitto-config.ts";

const deployed = mosquittoFiles({
  ...{ directory: "/var/lib/fleetcert-broker", pidFile: "/run/mosquitto/mosquitto.pid" },
  ...{ port: 8883, controlPort: 8885, kickPort: 8886, persistence: "/var/lib/mosquitto" },
});

describe("the configuration of Mosquitto", () => {
  it.each(Object.entries(deployed))("in deploy/mosquitto/%s is what is made", (name, text) => {
    expect(readFileSync(join(import.meta.dirname, "../../../../deploy/mosquitto", name), "utf8")).toBe(text);
  });

  it("has no listener for ending sessions where none is wanted, and controllers come over the network then", () => {
    const files = mosquittoFiles({
      ...{ directory: "/d", pidFile: "/p", port: 1, controlPort: 2, kickPort: 0, persistence: "/s/" },
    });
    expect(files["mosquitto.conf"]).toContain("listener 2\n");
    expect(files["mosquitto.conf"]).toContain("persistence_location /s/\n");
    expect(files["mosquitto.conf"]).not.toContain("password_file");
  });

  it("lets a device read and write what our own broker does", () => {
    const allowed = (deployed["acl-devices"] ?? "").replaceAll("%u", "d1").split("\n");
    expect(allowed).toContain("pattern write fleetcert/1/device/d1/up/+");
    expect(allowed).toContain("pattern read fleetcert/1/device/d1/down/+");
    expect(mayDeviceSubscribe("d1", "fleetcert/1/device/d1/down/#")).toBe(true);
    expect(allowed.filter((line) => line.includes("/fleet/"))).toEqual(["pattern read fleetcert/1/fleet/#"]);
  });
});
