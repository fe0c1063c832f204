/** What the agent's configuration schema is made of: the part of JSON Schema that {@link completeSettings} knows. */
export interface SettingSchema {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, SettingSchema>>;
  readonly required?: readonly string[];
  readonly items?: unknown;
  readonly minItems?: unknown;
  readonly maxItems?: unknown;
  readonly type?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: unknown;
  readonly minLength?: unknown;
  readonly maxLength?: unknown;
  readonly minimum?: unknown;
  readonly maximum?: unknown;
}

/** Tells the path of a setting and what is wrong with it; throws. */
export type SettingFault = (path: readonly string[], what: string) => never;

/**
 * Settings as they were given, with the defaults of the schema put in. Faults are told by `fault`; unknown settings are faults.
 *
 * The engine that belongs to the schema would do the same at start, and stay in memory for as long as the agent runs (2 MB).
 */
export function completeSettings(schema: SettingSchema, given: unknown, fault: SettingFault): unknown {
  return complete({ schema, path: [], fault }, given);
}

interface Place {
  readonly schema: SettingSchema;
  readonly path: readonly string[];
  readonly fault: SettingFault;
}

function complete(place: Place, given: unknown): unknown {
  const { schema, path, fault } = place;
  const value = given === undefined ? schema.default : given;
  if (value === undefined) return fault(path, "is missing");
  if (schema.properties !== undefined) return completeSection(place, schema.properties, value);
  if (schema.type === "array") return completeList(place, value);
  const what = faultOf(schema, value);
  return what === undefined ? value : fault(path, what);
}

function completeSection(
  { schema, path, fault }: Place,
  properties: NonNullable<SettingSchema["properties"]>,
  section: unknown,
): unknown {
  if (!isSection(section)) return fault(path, "must be a section with settings");
  const unknown = Object.keys(section).filter((name) => !Object.hasOwn(properties, name));
  if (unknown.length > 0) fault(path, `unknown setting ${unknown.map((name) => `"${name}"`).join(", ")}`);
  const entries = Object.entries(properties).flatMap(([name, inner]) => {
    const value = Object.hasOwn(section, name) ? section[name] : undefined;
    const isLeftOut = value === undefined && inner.default === undefined && !schema.required?.includes(name);
    return isLeftOut ? [] : [[name, complete({ schema: inner, path: [...path, name], fault }, value)] as const];
  });
  return Object.fromEntries(entries);
}

function completeList({ schema, path, fault }: Place, list: unknown): unknown {
  if (!Array.isArray(list)) return fault(path, "must be a list");
  const { minItems, maxItems, items } = schema;
  if (list.length < Number(minItems ?? 0)) fault(path, `must have at least ${minItems}`);
  if (list.length > Number(maxItems ?? Infinity)) fault(path, `must have at most ${maxItems}`);
  const inner = items as SettingSchema;
  return list.map((item: unknown, index) => complete({ schema: inner, path: [...path, String(index)], fault }, item));
}

function faultOf(schema: SettingSchema, value: unknown): string | undefined {
  if (schema.enum !== undefined) return schema.enum.includes(value) ? undefined : `must be ${schema.enum.join(" or ")}`;
  switch (schema.type) {
    case "string":
      return textFault(schema, value);
    case "integer":
      return integerFault(schema, value);
    case "boolean":
      return typeof value === "boolean" ? undefined : "must be true or false";
    default:
      throw new Error(`a setting of type ${schema.type} is not provided for`);
  }
}

function textFault({ minLength, maxLength, pattern }: SettingSchema, value: unknown): string | undefined {
  if (typeof value !== "string") return "must be text";
  const length = [...value].length;
  if (length < Number(minLength ?? 0)) return `must have at least ${minLength} characters`;
  if (length > Number(maxLength ?? Infinity)) return `must have at most ${maxLength} characters`;
  const isMatching = typeof pattern !== "string" || new RegExp(pattern).test(value);
  return isMatching ? undefined : `must match ${pattern}`;
}

function integerFault({ minimum, maximum }: SettingSchema, value: unknown): string | undefined {
  if (!Number.isInteger(value)) return "must be a whole number";
  if (Number(value) < Number(minimum ?? -Infinity)) return `must be at least ${minimum}`;
  return Number(value) > Number(maximum ?? Infinity) ? `must be at most ${maximum}` : undefined;
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
