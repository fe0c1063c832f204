import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { habitViolations } from "./support/architecture/habit-rules.ts";
import { type Layer, layerViolations } from "./support/architecture/layer-rules.ts";
import { readSourceTree, type SourceFile } from "./support/architecture/source-tree.ts";

/** What the pure parts may take of Node: computations without input, output, time or chance. */
const pureNode = { "node:crypto": ["hash", "createHash", "verify", "createPublicKey", "X509Certificate"] };

/** Packages that only compute: the schema language, and cron expressions (without a function croner arms no timer). */
const pureLibraries = ["typebox", "croner"];

/**
 * Who may import whom. This table is the rule and its documentation; a file belongs to the first row that matches.
 *
 * A package's own files come from the top: `main.ts` and `cli/` wire; `adapters/` talk to the world and know the duties;
 * duties know ports, each other's one public file, and nothing of the world. Agent and controller never meet.
 */
const table: readonly Layer[] = [
  {
    name: "test",
    files: "{**/*.test.ts,test/**}",
    layers: [
      "test",
      "shared",
      "proto",
      "hw",
      "ports",
      "duty",
      "adapter",
      "config",
      "cli",
      "main",
      "index",
      "script",
      "demo",
    ],
    node: "any",
    npm: "any",
  },
  // Wires the public entry points of both programs; nothing imports it.
  {
    name: "demo",
    files: "scripts/demo/**",
    layers: ["demo", "script", "shared", "proto", "hw", "index"],
    node: "any",
    npm: "any",
  },
  {
    name: "script",
    files: "{scripts/**,*.ts}",
    layers: ["script", "shared", "proto", "hw", "index"],
    node: "any",
    npm: "any",
  },
  { name: "launcher", files: "{agent,controller}/bin/*", layers: ["script"], node: "any", npm: [] },
  { name: "shared", files: "shared/src/**", layers: ["shared"], node: pureNode, npm: pureLibraries },
  {
    name: "proto",
    files: "proto/src/**",
    layers: ["proto", "shared"],
    node: pureNode,
    npm: ["protobufjs", ...pureLibraries],
  },
  { name: "hw", files: "hw/**", layers: ["hw", "shared"], node: "any", npm: ["pkcs11js"] },
  {
    name: "main",
    files: "{agent,controller}/src/main.ts",
    layers: ["shared", "proto", "hw", "ports", "duty", "adapter", "config", "cli"],
    node: "any",
    npm: "any",
  },
  {
    name: "index",
    files: "{agent,controller}/src/index.ts",
    layers: ["ports", "duty", "adapter", "config", "cli", "main"],
    node: {},
    npm: [],
  },
  {
    name: "config",
    files: "{agent,controller}/src/config{,-*}.ts",
    layers: ["shared", "ports", "config"],
    node: "any",
    npm: "any",
  },
  {
    name: "ports",
    files: "{agent,controller}/src/*.ts",
    layers: ["shared", "proto", "ports"],
    node: pureNode,
    npm: [],
  },
  {
    name: "cli",
    files: "{agent,controller}/src/cli/**",
    layers: ["shared", "proto", "hw", "ports", "duty", "adapter", "config", "cli"],
    node: "any",
    npm: "any",
  },
  {
    name: "adapter",
    files: "{agent,controller}/src/adapters/**",
    layers: ["shared", "proto", "hw", "ports", "duty", "adapter", "config"],
    node: "any",
    npm: "any",
    otherUnits: "never",
  },
  {
    name: "duty",
    files: "{agent,controller}/src/*/**",
    layers: ["shared", "proto", "ports", "duty"],
    node: pureNode,
    npm: pureLibraries,
    otherUnits: "through-one-file",
  },
];

const root = join(import.meta.dirname, "..");

describe("the architecture", () => {
  it("imports only what the table allows", () => {
    expect(layerViolations(readSourceTree(root, [".ts", ".mjs"]), table)).toEqual([]);
  });

  it("keeps the habits: small files, named by what they are about, nothing taken from the machine in secret", () => {
    expect(habitViolations(readSourceTree(root, [".ts", ".mjs", ".c"]))).toEqual([]);
  });
});

describe("the architecture test", () => {
  const world: readonly SourceFile[] = [
    { path: "shared/src/index.ts", text: 'export { a } from "./a.ts";' },
    { path: "shared/src/a.ts", text: "export const a = 1;" },
    { path: "controller/src/index.ts", text: "" },
    { path: "agent/src/index.ts", text: "" },
    { path: "agent/src/ports.ts", text: "" },
    { path: "agent/src/renewal/reduce.ts", text: "" },
    { path: "agent/src/renewal/effects.ts", text: "" },
    { path: "agent/src/outbox/outbox.ts", text: "" },
    { path: "agent/src/adapters/link.ts", text: "" },
    { path: "agent/src/adapters/store/journal.ts", text: "" },
    { path: "scripts/demo/main.ts", text: "" },
    { path: "test/support/clock.ts", text: "" },
  ];
  const plant = (path: string, text: string): string[] => {
    const others = world.filter((file) => file.path !== path);
    const files = [...others, { path, text }];
    return [...layerViolations(files, table), ...habitViolations(files)];
  };

  it("finds nothing wrong with what is allowed", () => {
    expect(
      plant(
        "agent/src/renewal/reduce.ts",
        'import { hash } from "node:crypto"; import "./effects.ts"; import "../ports.ts"; import "../outbox/outbox.ts"; import { a } from "@fleetcert/shared"; // Date.now()',
      ),
    ).toEqual([]);
    expect(
      plant(
        "agent/src/adapters/link.ts",
        'import "node:net"; import "mqtt"; import "../renewal/reduce.ts"; Date.now();',
      ),
    ).toEqual([]);
    expect(
      plant(
        "agent/src/renewal/reduce.test.ts",
        'import "../../../test/support/clock.ts"; import { it } from "vitest";',
      ),
    ).toEqual([]);
  });

  it.each([
    ["a duty that reads files", "agent/src/renewal/reduce.ts", 'import { readFileSync } from "node:fs";'],
    [
      "a duty that makes keys",
      "agent/src/renewal/reduce.ts",
      'import { hash, generateKeyPairSync } from "node:crypto";',
    ],
    ["a duty that takes all of node:crypto", "agent/src/renewal/reduce.ts", 'import * as crypto from "node:crypto";'],
    ["a duty that loads a module it computes", "agent/src/renewal/reduce.ts", "await import(name);"],
    ["a duty that knows an adapter", "agent/src/renewal/reduce.ts", 'import "../adapters/link.ts";'],
    ["a duty that knows hardware", "agent/src/renewal/reduce.ts", 'import type { A } from "@fleetcert/hw";'],
    ["a duty that uses an npm package", "agent/src/renewal/reduce.ts", 'import mqtt from "mqtt";'],
    ["a program that uses the demo", "agent/src/main.ts", 'import "../../scripts/demo/main.ts";'],
    ["a duty that starts a timer", "agent/src/renewal/reduce.ts", "setTimeout(f, 1);"],
    ["a duty that asks the machine for the time", "agent/src/renewal/reduce.ts", "const t = new Date();"],
    ["a port that throws dice", "agent/src/ports.ts", "Math.random();"],
    ["an adapter that knows another", "agent/src/adapters/link.ts", 'import "./store/journal.ts";'],
    ["an agent that knows the controller", "agent/src/main.ts", 'import "@fleetcert/controller";'],
    [
      "an agent that knows the controller by path",
      "agent/src/cli/run.ts",
      'import "../../../controller/src/index.ts";',
    ],
    ["a workspace imported by path", "agent/src/cli/run.ts", 'import "../../../shared/src/index.ts";'],
    ["a workspace imported past its public names", "agent/src/cli/run.ts", 'import "@fleetcert/shared/src/a.ts";'],
    ["a vocabulary that opens sockets", "shared/src/a.ts", 'import "node:net";'],
    ["a vocabulary with dependencies", "shared/src/a.ts", 'import "level";'],
    ["a program that uses test code", "agent/src/adapters/link.ts", 'import "../../../test/support/clock.ts";'],
    ["an import of nothing", "agent/src/cli/run.ts", 'import "./gone.ts";'],
    ["a file outside the table", "elsewhere/a.ts", 'import "node:fs";'],
    ["a barrel", "agent/src/renewal/index.ts", 'export { a } from "./reduce.ts";'],
    ["a hidden barrel", "agent/src/renewal/all.ts", 'export * from "./reduce.ts";'],
    ["a file named by its kind", "agent/src/renewal/utils.ts", ""],
    ["a file not in kebab-case", "agent/src/renewal/reduceState.ts", ""],
    ["a default export", "agent/src/renewal/reduce.ts", "export default 1;"],
    ["a test that is left out", "agent/src/renewal/reduce.test.ts", "it.skip('a', () => {});"],
    ["a file of too many ideas", "agent/src/renewal/reduce.ts", "\n".repeat(401)],
  ])("catches %s", (_, path, text) => {
    expect(plant(path, text)).toHaveLength(1);
  });

  it("catches duties that import each other, and one entered through two files", () => {
    const withOutbox = [...world, { path: "agent/src/courier/pack.ts", text: 'import "../renewal/effects.ts";' }].map(
      (file) => {
        if (file.path === "agent/src/renewal/reduce.ts") return { ...file, text: 'import "../outbox/outbox.ts";' };
        return file.path === "agent/src/outbox/outbox.ts" ? { ...file, text: 'import "../renewal/reduce.ts";' } : file;
      },
    );
    expect(layerViolations(withOutbox, table)).toEqual([
      "agent/src/renewal is imported through 2 files, one may be public: agent/src/renewal/effects.ts, agent/src/renewal/reduce.ts",
      "agent/src/outbox and agent/src/renewal import each other in a circle",
    ]);
  });
});
