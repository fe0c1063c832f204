import { join } from "node:path";

/** Where a Mosquitto listens that is the only broker of a fleet, and where its files lie. */
export interface MosquittoSettings {
  /** Holds what the controller keeps for it. */
  readonly directory: string;
  readonly port: number;
  readonly controlPort: number;
  /** 0 for none; with one, the controller runs on the same host. */
  readonly kickPort: number;
  readonly pidFile: string;
  /** Where it keeps retained messages over a restart. */
  readonly persistence: string;
}

/** Names of the files in the directory that the controller keeps while it serves. */
export const brokerFileNames = {
  /** Roots of the fleet. */
  roots: "roots.pem",
  /** Certificates of the controllers, each its own CA. */
  controllers: "controllers.pem",
  /** The broker's certificate, the chain to the root, and its key. */
  server: "server.pem",
  lists: "crl.pem",
  /** The password of {@link kickUser}, as Mosquitto keeps it. */
  passwords: "passwords",
} as const;

/** The name under which sessions are ended. */
export const kickUser = "fleetcert-kick";

/**
 * mosquitto.conf and the ACLs of Mosquitto 2.0 as the only broker of a fleet, by file name: the listener for devices binds
 * identity to certificate and topics to identity, the one for controllers takes their own certificates only.
 */
export function mosquittoFiles(settings: MosquittoSettings): Readonly<Record<string, string>> {
  return {
    "mosquitto.conf": mosquittoConf(settings),
    "acl-devices": aclOfDevices,
    "acl-controllers": "pattern readwrite fleetcert/1/#\n",
    "acl-kick": "# Nothing may be published or read here: this listener only takes client ids.\n",
  };
}

function mosquittoConf({ directory, port, controlPort, kickPort, pidFile, persistence }: MosquittoSettings): string {
  const at = (name: string): string => join(directory, name);
  const { roots, controllers, server, lists, passwords } = brokerFileNames;
  const kick = `
# On the loopback only: takes a client id, so that its session ends. No topic may be used here.
listener ${kickPort} 127.0.0.1
password_file ${at(passwords)}
allow_anonymous false
acl_file ${at("acl-kick")}
`;
  return `# Mosquitto 2.0 as the only broker of a Fleetcert fleet: docs/external-broker.md. Written by fleetcert broker config.
per_listener_settings true
pid_file ${pidFile}
set_tcp_nodelay true
persistence true
persistence_location ${persistence.replace(/\/*$/, "/")}
autosave_interval 60
# The controller is one client that takes what all devices say.
max_inflight_messages 1000
max_queued_messages 100000
max_packet_size 262144
log_type error
log_type warning
log_type notice

# Devices: the name in the certificate is the user name and the client id.
listener ${port}
cafile ${at(roots)}
certfile ${at(server)}
keyfile ${at(server)}
crlfile ${at(lists)}
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file ${at("acl-devices")}

# Controllers: no certificate of the fleet is taken here, only their own.
listener ${controlPort}${kickPort === 0 ? "" : " 127.0.0.1"}
cafile ${at(controllers)}
certfile ${at(server)}
keyfile ${at(server)}
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file ${at("acl-controllers")}
${kickPort === 0 ? "" : kick}`;
}

/** DESIGN.md section 5: deny by default, a device in its own topics, the fleet's for everybody to read. */
const aclOfDevices = `pattern write fleetcert/1/device/%u/up/+
pattern read fleetcert/1/device/%u/down/+
pattern read fleetcert/1/device/%u/desired
pattern read fleetcert/1/fleet/#
`;
