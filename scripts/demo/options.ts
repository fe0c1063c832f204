import { parseArgs } from "node:util";
import { FleetError } from "@fleetcert/shared";
import { type ScenarioName, scenarioNames, scenesOf } from "./scenarios.ts";

/** The choices of `--keys`. */
const keyChoices = ["auto", "pkcs11", "tpm", "mixed", "software"] as const;

/** Which kind of keys the demo's devices have; `auto` takes the token when there is one. */
export type DemoKeys = (typeof keyChoices)[number];

/** The choices of `--broker`. */
const brokerChoices = ["embedded", "mosquitto"] as const;

/** Which broker enrolled devices talk to. */
export type DemoBroker = (typeof brokerChoices)[number];

/** What `npm start` was asked for. */
export interface DemoOptions {
  readonly devices: number;
  /** Ends by itself. */
  readonly headless: boolean;
  /** Where the figures go; undefined writes none. */
  readonly json: string | undefined;
  /** Replaces the PKI of an earlier run. */
  readonly reset: boolean;
  readonly keys: DemoKeys;
  readonly broker: DemoBroker;
  readonly scenario: ScenarioName;
  /** Names of the scenes to play; empty plays all. */
  readonly only: readonly string[];
}

/** The help text of `npm start`. */
export const demoUsage = `usage: npm start -- [--devices N] [--headless] [--json FILE] [--reset] [--scenario NAME]
                     [--only SCENE,…] [--keys ${keyChoices.join("|")}] [--broker ${brokerChoices.join("|")}]

  --devices N    size of the fleet, 1 to 500 (25); the special scenes need 8
  --headless     end by itself; exit 0 only when every check is ok
  --json FILE    write the figures and checks of the run
  --reset        replace the PKI of an earlier run in .demo/
  --keys KIND    where the devices' keys live: a SoftHSM2 token (pkcs11), an emulated TPM each that proves them (tpm),
                 encrypted files (software), or each third device in another of these (mixed); 50 devices with TPMs at most
  --broker B     the broker of enrolled devices: the controller's own (embedded), or a Mosquitto and no other (mosquitto)
  --scenario S   what is played: ${scenarioNames.join(", ")} (main)
  --only A,B     only these scenes of it, such as ${scenesOf("rotation")
    .map(([name]) => name)
    .join(", ")} of rotation

  FLEETCERT_DEMO_IN=DIR       where .demo/ is made, instead of here
  FLEETCERT_DEMO_SOFTHSM=FILE SoftHSM2's module, where it is in none of the usual places
`;

/** Reads the arguments of `npm start`. Throws `usage`. */
export function parseOptions(args: readonly string[]): DemoOptions {
  const values = parse(args);
  const devices = Number(values.devices);
  if (!Number.isInteger(devices) || devices < 1 || devices > maxDevices) {
    throw usage(`--devices ${values.devices} is not a whole number from 1 to ${maxDevices}`);
  }
  if (!isKeys(values.keys)) throw usage(`--keys ${values.keys} is not one of ${keyChoices.join(", ")}`);
  if ((values.keys === "tpm" || values.keys === "mixed") && devices > maxTpmDevices)
    throw usage(`--keys ${values.keys} emulates a TPM for each device; at most ${maxTpmDevices} devices have one`);
  const broker = brokerChoices.find((name) => name === values.broker);
  if (broker === undefined) throw usage(`--broker ${values.broker} is not one of ${brokerChoices.join(", ")}`);
  const scenario = scenarioNames.find((name) => name === values.scenario);
  if (scenario === undefined) throw usage(`--scenario ${values.scenario} is not one of ${scenarioNames.join(", ")}`);
  return {
    devices,
    headless: values.headless,
    json: values.json,
    reset: values.reset,
    keys: values.keys,
    broker,
    scenario,
    only: onlyOf(scenario, values.only),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        devices: { type: "string", default: "25" },
        headless: { type: "boolean", default: false },
        json: { type: "string" },
        reset: { type: "boolean", default: false },
        keys: { type: "string", default: "auto" },
        broker: { type: "string", default: "embedded" },
        scenario: { type: "string", default: "main" },
        only: { type: "string", default: "" },
      },
    }).values;
  } catch (cause) {
    throw usage(cause instanceof Error ? cause.message : "the arguments are wrong", cause);
  }
}

function onlyOf(scenario: ScenarioName, text: string): string[] {
  const only = text === "" ? [] : text.split(",");
  const known = scenesOf(scenario).map(([name]) => name);
  const unknown = only.find((name) => !known.includes(name));
  if (unknown === undefined) return only;
  throw usage(`--only ${unknown} is no scene of ${scenario}: ${known.join(", ")}`);
}

function isKeys(text: string): text is DemoKeys {
  return keyChoices.some((choice) => choice === text);
}

function usage(message: string, cause?: unknown): FleetError {
  return new FleetError("usage", message, { hint: demoUsage, cause });
}

const maxDevices = 500;
const maxTpmDevices = 50;
