import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { referenceProgram as agentProgram } from "@fleetcert/agent";
import { referenceProgram as controllerProgram } from "@fleetcert/controller";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

/** The pages that speak of today; decisions and the changelog speak of their day, the reference is made from the code. */
const names = globSync(["*.md", "docs/*.md", "docs/runbooks/*.md"], { cwd: root }).filter(
  (name) => name !== "CHANGELOG.md",
);
const pages = names.map((name) => ({ name, text: readFileSync(join(root, name), "utf8") }));

type Command = ReturnType<typeof controllerProgram>;
const programs = new Map([controllerProgram(), agentProgram()].map((program) => [program.name(), program]));

describe("the pages", () => {
  it("name only commands and options that the programs have", () => {
    const wrong = pages.flatMap(({ name, text }) =>
      commandLines(text).flatMap((line) => faultsOf(line).map((fault) => `${name}: ${line}: ${fault}`)),
    );
    expect(wrong).toEqual([]);
    expect(pages.flatMap(({ text }) => commandLines(text)).length).toBeGreaterThan(60);
  });

  it("name only npm commands that there are", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
    const named = pages.flatMap(({ text }) => [...text.matchAll(/npm (?:run )?(?!ci\b|install\b)([a-z:]+)\b/g)]);
    expect(named.filter(([line, script = ""]) => / run |start|test/.test(line) && !(script in scripts))).toEqual([]);
  });

  it("name only files that there are, from the root or from their own folder", () => {
    const missing = pages.flatMap(({ name, text }) =>
      filesIn(text)
        .filter((file) => ![root, join(root, dirname(name))].some((folder) => existsSync(join(folder, file))))
        .map((file) => `${name}: ${file}`),
    );
    expect(missing).toEqual([]);
  });

  it("show every folder of the repository in the map of README.md, and none besides", () => {
    const readme = pages.find(({ name }) => name === "README.md")?.text ?? "";
    const map = readme.slice(readme.indexOf("## The folders"), readme.indexOf("[ARCHITECTURE.md]"));
    const mapped = [...map.matchAll(/^\| `([a-z]+)` \|/gm)].map(([, folder]) => folder);
    const generated = ["node_modules", "dist", "coverage"];
    const folders = readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && !generated.includes(entry.name))
      .map((entry) => entry.name);
    expect(mapped.toSorted()).toEqual(folders.toSorted());
  });
});

describe("the duties in ARCHITECTURE.md", () => {
  it.each(["agent", "controller"])("are the folders of the %s", (program) => {
    const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
    const table = text.split(`| duty of the ${program} |`)[1]?.split("\n\n")[0] ?? "";
    const named = [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = ""]) =>
      cell.replaceAll("`", "").split(", "),
    );
    const folders = readdirSync(join(root, program, "src"), { withFileTypes: true }).filter((one) => one.isDirectory());
    const duties = folders.map(({ name }) => name).filter((name) => name !== "adapters" && name !== "cli");
    expect(named.toSorted()).toEqual(duties.toSorted());
  });
});

describe("what is said of a command line", () => {
  it.each([
    ["fleetcert divice show", "fleetcert has no divice"],
    ["fleetcert device shaw ID", "device has no shaw"],
    ["fleetcert audit verify --fast", "verify has no --fast"],
    ["fleetcert-agent bundle export|send", "bundle has no send"],
  ])("%s: %s", (line, fault) => {
    expect(faultsOf(line)).toEqual([fault]);
  });

  it("is nothing where it is right, whatever stands for names and values", () => {
    expect(faultsOf("npx fleetcert --data $DATA claim create --uses 500 --out claim")).toEqual([]);
    expect(faultsOf("fleetcert operator key create|list|revoke")).toEqual([]);
  });
});

/** Lines of code blocks and spans that begin with one of the programs; comments behind them are left out. */
function commandLines(text: string): string[] {
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span);
  return [...text.split("\n"), ...spans]
    .map((line) =>
      line
        .trim()
        .replace(/\s+#.*$/, "")
        .replaceAll(" | ", "|"),
    )
    .filter((line) => /^(npx )?fleetcert(-agent)?( |$)/.test(line));
}

/** What the programs do not have of a command line, one sentence each; behind an unknown command nothing is looked at. */
function faultsOf(line: string): string[] {
  const [name = "", ...words] = line.replace(/^npx /, "").split(/\s+/);
  let path = [programs.get(name) as Command];
  let takesValue = false;
  const faults: string[] = [];
  for (const word of words) {
    const command = path.at(-1) as Command;
    const says = (one: string): string => `${command.name()} has no ${one}`;
    const alternatives = word.split("|").map((one) => one.replace(/=.*$/, ""));
    if (takesValue) takesValue = false;
    else if (word.startsWith("-")) {
      const known = path.flatMap(({ options }) => options);
      const found = alternatives.map((one) => known.find(({ long, short }) => [long, short].includes(one)));
      faults.push(...alternatives.filter((_, n) => found[n] === undefined).map(says));
      takesValue = !word.includes("=") && found.at(-1)?.required === true;
    } else if (command.commands.length > 0 && command.registeredArguments.length === 0) {
      const found = alternatives.map((one) => command.commands.find((child) => child.name() === one));
      faults.push(...alternatives.filter((_, n) => found[n] === undefined).map(says));
      if (found[0] === undefined) return faults;
      path = [...path, found[0]];
    }
  }
  return faults;
}

/** Paths in code spans that end like a file of ours, and the targets of links. */
function filesIn(text: string): string[] {
  const spans = [...text.matchAll(/`([a-z0-9_./-]+\/[a-z0-9_.-]+\.(?:ts|mjs|c|md|json|proto|service))`/g)];
  const links = [...text.matchAll(/\]\(((?!https?:)[^)#]+)\)/g)];
  return [...spans, ...links].map(([, file = ""]) => file);
}
