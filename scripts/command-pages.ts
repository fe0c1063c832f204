/** A command as commander holds it. */
interface CommandShape {
  name(): string;
  description(): string;
  usage(): string;
  readonly commands: readonly CommandShape[];
  readonly options: readonly {
    readonly flags: string;
    readonly description: string;
    readonly defaultValue?: unknown;
    readonly mandatory: boolean;
    readonly hidden: boolean;
  }[];
}

/** A Markdown section for a program: what all its commands take, then each command with what only it takes. */
export function commandSection(program: CommandShape): string {
  const parts = [
    `## ${program.name()}\n\n${sentence(program.description())} Every command takes:`,
    optionTable(program),
    ...leavesOf(program).map(
      ({ path, command }) =>
        `### ${path}\n\n${sentence(command.description())}\n\n    ${path} ${command.usage()}\n\n${optionTable(command)}`,
    ),
  ];
  return parts.join("\n\n").replace(/\n{3,}/g, "\n\n");
}

function leavesOf(command: CommandShape, path = command.name()): { path: string; command: CommandShape }[] {
  return command.commands.flatMap((child) => {
    const at = `${path} ${child.name()}`;
    return child.commands.length === 0 ? [{ path: at, command: child }] : leavesOf(child, at);
  });
}

function optionTable({ options }: CommandShape): string {
  const rows = options
    .filter(({ hidden }) => !hidden)
    .map(({ flags, description, defaultValue, mandatory }) => {
      const preset = defaultValue === undefined ? "" : `; \`${JSON.stringify(defaultValue)}\` when not given`;
      return `| \`${flags.replaceAll("|", "\\|")}\` | ${description.replaceAll("|", "\\|")}${mandatory ? "; must be given" : preset} |`;
    });
  return rows.length === 0 ? "" : ["| option | meaning |", "|---|---|", ...rows].join("\n");
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
