/** The version of both programs: that of their packages. */
export const packageVersion = "0.1.0";

/** What `--version` says of a program: one line for people, or one object for programs. */
export function versionText(program: string, node: string, { isJson }: { readonly isJson: boolean }): string {
  if (isJson) return `${JSON.stringify({ program, version: packageVersion, node })}\n`;
  return `${program} ${packageVersion} (node ${node})\n`;
}

/** Whether arguments ask for the version and nothing else; undefined when they ask for something else. */
export function versionWish(args: readonly string[]): { readonly isJson: boolean } | undefined {
  if (!args.includes("--version")) return undefined;
  const others = args.filter((arg) => arg !== "--version").join(" ");
  if (others === "" || others === "-o table") return { isJson: false };
  return ["--json", "-o json", "--output json", "-o jsonl"].includes(others) ? { isJson: true } : undefined;
}
