import { FleetError } from "../errors.ts";

/** What commander says of a command line (`error: …`, then a suggestion), as an error of ours; the suggestion becomes the hint. */
export function usageError({ message }: { readonly message: string }): FleetError {
  const [what = "", suggestion] = message.replace(/^error: /, "").split("\n");
  const hint = suggestion === undefined ? {} : { hint: suggestion.replace(/^\((.*)\)$/, "$1") };
  return new FleetError("usage", what.replace(/\.$/, ""), hint);
}

/** Whether errors are to be told in JSON, by arguments that may not parse. */
export function wantsJson(args: readonly string[]): boolean {
  return args.some((arg, at) => {
    const format = arg === "-o" || arg === "--output" ? args[at + 1] : /^(?:--output=|-o)(.*)$/.exec(arg)?.[1];
    return arg === "--json" || format === "json" || format === "jsonl";
  });
}
