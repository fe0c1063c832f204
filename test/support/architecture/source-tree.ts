import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** A source file as the architecture rules see it; the path is from the root, with slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

const skippedFolders = new Set(["node_modules", "dist", "build", "coverage", "generated"]);

/** Reads every file below the root with one of the endings; tools' folders and generated code aside. */
export function readSourceTree(root: string, endings: readonly string[]): SourceFile[] {
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) => {
    const path = join(root, entry.name);
    if (entry.isDirectory()) {
      const isSkipped = skippedFolders.has(entry.name) || entry.name.startsWith(".");
      return isSkipped ? [] : readSourceTree(path, endings).map((file) => below(entry.name, file));
    }
    const isWanted = entry.isFile() && endings.some((ending) => entry.name.endsWith(ending));
    return isWanted ? [{ path: relative(root, path).split(sep).join("/"), text: readFileSync(path, "utf8") }] : [];
  });
}

function below(folder: string, file: SourceFile): SourceFile {
  return { ...file, path: `${folder}/${file.path}` };
}
