import { matchesGlob, posix } from "node:path";
import { type Import, importsOf } from "./imports.ts";
import type { SourceFile } from "./source-tree.ts";

/** One row of the table of who may import whom. */
export interface Layer {
  readonly name: string;
  /** Glob of its files; a file belongs to the first row that matches. */
  readonly files: string;
  /** Layers it may import; a row `duty` or `adapter` always means its own package. */
  readonly layers: readonly string[];
  /** Node's modules, each with the names it may take (`*`: all); `any`: all of them. */
  readonly node: "any" | Readonly<Record<string, readonly string[]>>;
  /** npm packages. */
  readonly npm: "any" | readonly string[];
  /**
   * Files of one unit (a folder, or a file beside the folders) import each other freely; `through-one-file`: another
   * unit of the layer only through that unit's one public file and never in a circle; `never`: not at all.
   */
  readonly otherUnits?: "through-one-file" | "never";
}

/** Checks every import of the files against the table; returns one sentence per violation. */
export function layerViolations(files: readonly SourceFile[], table: readonly Layer[]): string[] {
  const world = new World(files, table);
  const edges = files.flatMap((file) => importsOf(file.text).map((found) => ({ file: file.path, found })));
  return [
    ...edges.flatMap(({ file, found }) => world.judge(file, found)),
    ...world.publicFileViolations(edges),
    ...world.cycles(edges),
  ];
}

interface Edge {
  readonly file: string;
  readonly found: Import;
}

/** Which file belongs to which layer and unit, and what an import of it means. */
class World {
  readonly #table: readonly Layer[];
  readonly #paths: ReadonlySet<string>;

  constructor(files: readonly SourceFile[], table: readonly Layer[]) {
    this.#table = table;
    this.#paths = new Set(files.map(({ path }) => path));
  }

  judge(file: string, found: Import): string[] {
    const layer = this.#layerOf(file);
    const refuse = (why: string): string[] => [`${file}:${found.line} imports ${found.specifier}: ${why}`];
    if (layer === undefined) return refuse("the file belongs to no row of the table");
    const { specifier } = found;
    if (specifier.startsWith("node:"))
      return isNodeAllowed(layer, found) ? [] : refuse(`${layer.name} may not use that of Node`);
    if (!specifier.startsWith(".") && !specifier.startsWith("@fleetcert/")) {
      return layer.npm === "any" || layer.npm.includes(packageOf(specifier))
        ? []
        : refuse(`${layer.name} may not use that package`);
    }
    const target = this.#resolve(file, specifier);
    if (target === undefined) return refuse("there is no such file, or it is no public name of its workspace");
    const isRelativeIntoOther =
      specifier.startsWith(".") && workspaces.includes(top(target)) && top(target) !== top(file) && !isTestCode(file);
    if (isRelativeIntoOther) return refuse("another workspace is imported by its name");
    return this.#judgeLayer({ file, layer, target }, refuse);
  }

  #judgeLayer(
    { file, layer, target }: { file: string; layer: Layer; target: string },
    refuse: (why: string) => string[],
  ): string[] {
    const other = this.#layerOf(target);
    if (other === undefined)
      return isGenerated(target) ? [] : refuse("the imported file belongs to no row of the table");
    if (!isTestCode(file) && isTestCode(target)) return refuse("only tests import test code");
    if (meet(file, target)) return refuse("agent and controller never meet");
    if (!layer.layers.includes(other.name)) return refuse(`${layer.name} may not import ${other.name}`);
    const isOtherUnit = other.name === layer.name && unitOf(file) !== unitOf(target);
    return isOtherUnit && layer.otherUnits === "never" ? refuse(`one ${layer.name} may not import another`) : [];
  }

  /** What other units of the same layer import of a unit must be one and the same file. */
  publicFileViolations(edges: readonly Edge[]): string[] {
    const publicFiles = new Map<string, Set<string>>();
    for (const { to, target } of this.#unitEdges(edges)) {
      publicFiles.set(to, (publicFiles.get(to) ?? new Set()).add(target));
    }
    return [...publicFiles]
      .filter(([, used]) => used.size > 1)
      .map(
        ([unit, used]) =>
          `${unit} is imported through ${used.size} files, one may be public: ${[...used].sort().join(", ")}`,
      );
  }

  cycles(edges: readonly Edge[]): string[] {
    const next = new Map<string, Set<string>>();
    for (const { from, to } of this.#unitEdges(edges)) next.set(from, (next.get(from) ?? new Set()).add(to));
    const found = new Set<string>();
    const visit = (unit: string, path: readonly string[]): void => {
      const start = path.indexOf(unit);
      if (start >= 0) found.add([...path.slice(start)].sort().join(" and "));
      else for (const other of next.get(unit) ?? []) visit(other, [...path, unit]);
    };
    for (const unit of next.keys()) visit(unit, []);
    return [...found].map((units) => `${units} import each other in a circle`);
  }

  #unitEdges(edges: readonly Edge[]): { from: string; to: string; target: string }[] {
    return edges.flatMap(({ file, found }) => {
      const layer = this.#layerOf(file);
      const target = found.specifier.startsWith(".") ? this.#resolve(file, found.specifier) : undefined;
      if (layer?.otherUnits !== "through-one-file" || target === undefined) return [];
      const isOther = this.#layerOf(target)?.name === layer.name && unitOf(target) !== unitOf(file);
      return isOther ? [{ from: unitOf(file), to: unitOf(target), target }] : [];
    });
  }

  #layerOf(path: string): Layer | undefined {
    return this.#table.find(({ files }) => matchesGlob(path, files));
  }

  #resolve(file: string, specifier: string): string | undefined {
    const workspace = /^@fleetcert\/([a-z]+)$/.exec(specifier)?.[1];
    const path = workspace === undefined ? posix.join(posix.dirname(file), specifier) : `${workspace}/src/index.ts`;
    return this.#paths.has(path) || isGenerated(path) || path.endsWith(".json") ? path : undefined;
  }
}

function isNodeAllowed({ node }: Layer, { specifier, names, isTypeOnly }: Import): boolean {
  if (node === "any") return true;
  const allowed = node[specifier];
  return (
    allowed !== undefined && (isTypeOnly || allowed.includes("*") || names.every((name) => allowed.includes(name)))
  );
}

function packageOf(specifier: string): string {
  const [first = "", second = ""] = specifier.split("/");
  return first.startsWith("@") ? `${first}/${second}` : first;
}

/** `agent/src/renewal/reduce.ts` belongs to `agent/src/renewal`, `agent/src/adapters/ca/file.ts` to `agent/src/adapters/ca`. */
function unitOf(path: string): string {
  const depth = path.includes("/src/adapters/") ? 4 : 3;
  return path.split("/").slice(0, depth).join("/");
}

function meet(file: string, target: string): boolean {
  const programs = ["agent", "controller"];
  return programs.includes(top(file)) && programs.includes(top(target)) && top(file) !== top(target);
}

const workspaces = ["shared", "proto", "hw", "agent", "controller"];
const top = (path: string): string => path.split("/")[0] ?? "";
const isTestCode = (path: string): boolean => path.startsWith("test/") || path.endsWith(".test.ts");
const isGenerated = (path: string): boolean => path.includes("/src/generated/");
