import { type Command, Option } from "commander";
import type { ConnectivityClass, DeviceAttributes } from "../records.ts";

/** Options for the registry attributes of a device. */
export interface AttributeOptions<Class = ConnectivityClass> {
  readonly site?: string;
  readonly owner?: string;
  readonly environment?: string;
  readonly criticality?: DeviceAttributes["criticality"];
  readonly tag?: string[];
  readonly connectivity?: Class;
}

/** How a class reads: what it is, and whose word that is. */
export function connectivityText({ connectivity, connectivityBy }: DeviceAttributes): string {
  return `${connectivity} (${connectivityBy === "set" ? "set by a person" : "computed from contacts"})`;
}

/** Adds the attribute options to a command; a device's class may be `computed` again, a claim says one or none. */
export function addAttributeOptions(command: Command, ...further: "computed"[]): Command {
  return command
    .option("--site <name>", "where it stands")
    .option("--owner <team>", "who answers for it")
    .option("--environment <name>", "such as production")
    .addOption(new Option("--criticality <level>", "how much depends on it").choices(["low", "medium", "high"]))
    .option("--tag <tag...>", "free words")
    .addOption(
      new Option("--connectivity <class>", "how often it is in contact; computed from contacts unless said").choices([
        ...["always", "daily", "rare", "courier"],
        ...further,
      ]),
    );
}

/** The attributes that were given. */
export function attributesOf<Class = ConnectivityClass>(options: AttributeOptions<Class>): GivenAttributes<Class> {
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

type GivenAttributes<Class> = Partial<Omit<DeviceAttributes, "connectivity" | "connectivityBy">> & {
  readonly connectivity?: Class;
};
