/** A command as commander holds it. */
interface CommandShape {
  name(): string;
  description(): string;
  usage(): string;
  readonly commands: readonly CommandShape[];
  readonly registeredArguments: readonly unknown[];
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
    ...commandsOf(program).map(
      ({ path, command }) =>
        `### ${path}\n\n${sentence(command.description())}\n\n    ${path} ${command.usage()}\n\n${optionTable(command)}`,
    ),
  ];
  return parts.join("\n\n").replace(/\n{3,}/g, "\n\n");
}

function commandsOf(command: CommandShape, path = command.name()): { path: string; command: CommandShape }[] {
  return command.commands.flatMap((child) => {
    const at = `${path} ${child.name()}`;
    const own = isCommand(child) ? [{ path: at, command: child }] : [];
    return [...own, ...commandsOf(child, at)];
  });
}

/** One that does something itself; others only hold further ones. */
function isCommand({ commands, options, registeredArguments }: CommandShape): boolean {
  return commands.length === 0 || options.length > 0 || registeredArguments.length > 0;
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
