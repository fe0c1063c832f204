import { type Command, Option } from "commander";
import type { DeviceAttributes } from "../records.ts";

/** Options for the registry attributes of a device. */
export interface AttributeOptions {
  readonly site?: string;
  readonly owner?: string;
  readonly environment?: string;
  readonly criticality?: DeviceAttributes["criticality"];
  readonly tag?: string[];
  readonly connectivity?: DeviceAttributes["connectivity"];
}

/** Adds the attribute options to a command. */
export function addAttributeOptions(command: Command): Command {
  return command
    .option("--site <name>", "where it stands")
    .option("--owner <team>", "who answers for it")
    .option("--environment <name>", "such as production")
    .addOption(new Option("--criticality <level>", "how much depends on it").choices(["low", "medium", "high"]))
    .option("--tag <tag...>", "free words")
    .addOption(
      new Option("--connectivity <class>", "how often it is in contact").choices([
        "always",
        "daily",
        "rare",
        "courier",
      ]),
    );
}

/** The attributes that were given. */
export function attributesOf(options: AttributeOptions): Partial<DeviceAttributes> {
  const { site, owner, environment, criticality, tag, connectivity } = options;
  return {
    ...(site !== undefined && { site }),
    ...(owner !== undefined && { owner }),
    ...(environment !== undefined && { environment }),
    ...(criticality !== undefined && { criticality }),
    ...(tag !== undefined && { tags: tag }),
    ...(connectivity !== undefined && { connectivity }),
  };
}
