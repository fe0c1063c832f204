/**
 * Makes dist/: each program as a file that a bare Node runs, and beside it what it loads when it needs it: parts, native parts, a thread.
 * `node scripts/bundle.mjs [FOLDER]`; a native part that is not built is left out and named.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { builtinModules, createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = resolve(process.argv[2] ?? join(root, "dist"));
const programs = [
  {
    name: "fleetcert-agent",
    entry: "agent/src/main.ts",
    // An agent mostly waits. Without a compiler it takes 14 MB less, and no page is both writable and executable; what
    // only its start needed is given back, by glibc (4 MB) and by V8 (2 MB).
    start: [
      "MALLOC_TRIM_THRESHOLD_=65536 MALLOC_MMAP_THRESHOLD_=32768 MALLOC_TOP_PAD_=4096 MALLOC_ARENA_MAX=1",
      "node --jitless --optimize-for-size --bytecode-old-age=1 --single-threaded-gc --v8-pool-size=1",
    ].join(" "),
    // protobufjs takes numbers where `long` is missing, which would start WebAssembly; the others serve browsers and MQTT 5.
    leaveOut: ["long", "worker-timers", "lru-cache"],
  },
  {
    name: "fleetcert",
    entry: "controller/src/main.ts",
    start: "node --disable-warning=ExperimentalWarning",
    leaveOut: ["long"],
  },
];

/** classic-level looks for its native part in the folder of its package, which a bundle does not have. */
const classicLevelBeside = {
  name: "classic-level-beside",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/classic_level\.node$/ }, ({ path }) => ({ path, external: true }));
    onLoad({ filter: /classic-level[\\/]binding\.js$/ }, () => ({
      contents: `module.exports = require("./classic_level.node");`,
    }));
  },
};

/** A named import from a module of Node's asks it for every export: of node:http, for a fetch client of 10 MB. */
const nodeModulesAsUsed = {
  name: "node-modules-as-used",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?[a-z_/]+$/, namespace: "file" }, ({ path, kind }) => {
      const name = path.replace(/^node:/, "");
      const isImport = kind === "import-statement" || kind === "dynamic-import";
      if (!isImport || !(builtinModules.includes(name) || path === "node:sqlite")) return undefined;
      return { path: `node:${name}`, namespace: "as-used" };
    });
    onLoad({ filter: /./, namespace: "as-used" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/** Puts nothing in the place of packages. */
function without(names) {
  return {
    name: "without",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /./ }, ({ path }) => (names.includes(path) ? { path, namespace: "nothing" } : undefined));
      onLoad({ filter: /./, namespace: "nothing" }, () => ({ contents: "module.exports = {};" }));
    },
  };
}

for (const program of programs) await bundle(program);
// The thread that owns the socket to a TPM emulator (a device file needs none), and the one that makes large snapshots.
await bundleThread("hw/src/tpm/socket-worker.ts", "tpm-socket-worker.mjs");
await bundleThread("controller/src/adapters/snapshots/snapshot-worker.ts", "snapshot-worker.mjs");
copyNativeParts();

async function bundle({ name, entry, start, leaveOut }) {
  const file = join(folder, `${name}.mjs`);
  const parts = existsSync(folder) ? readdirSync(folder).filter((other) => other.startsWith(`${name}.`)) : [];
  for (const part of parts) rmSync(join(folder, part));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [{ in: entry, out: name }],
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    // What a command loads only when it needs it stays on the disk until then: a module's text is kept as long as it is loaded.
    splitting: true,
    chunkNames: `${name}.[hash]`,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    minify: true,
    // A crash shows the line it happened on.
    lineLimit: 160,
    legalComments: "linked",
    metafile: true,
    // CommonJS packages ask for Node's modules by `require`, which an ES module has to make for itself.
    banner: {
      js: `#!/usr/bin/env -S ${start}\nimport{createRequire as makeRequire}from"node:module";const require=makeRequire(import.meta.url);`,
    },
    plugins: [classicLevelBeside, nodeModulesAsUsed, without(leaveOut)],
    // The package is a copy of Node's own streams for Nodes of old.
    alias: { "readable-stream": "node:stream" },
    logLevel: "warning",
  });
  chmodSync(file, 0o755);
  const size = Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint === entry).bytes;
  console.log(`${file}: ${Math.round(size / 1024)} KiB`);
}

async function bundleThread(entry, name) {
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: join(folder, name),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    minify: true,
    logLevel: "warning",
  });
}

function copyNativeParts() {
  const pkcs11js = packageFolder("pkcs11js");
  const classicLevel = packageFolder("classic-level");
  const parts = {
    "classic_level.node": classicLevel && nativePartOf(classicLevel),
    "fleetcert_tls.node": join(root, "hw/native/build/Release/fleetcert_tls.node"),
    "node_modules/pkcs11js/build/Release/pkcs11.node": pkcs11js && join(pkcs11js, "build/Release/pkcs11.node"),
    "node_modules/pkcs11js/index.js": pkcs11js && join(pkcs11js, "index.js"),
    "node_modules/pkcs11js/package.json": pkcs11js && join(pkcs11js, "package.json"),
    "node_modules/pkcs11js/LICENSE": pkcs11js && join(pkcs11js, "LICENSE"),
  };
  for (const [name, source] of Object.entries(parts)) {
    if (source === undefined || !existsSync(source)) {
      console.log(`${name} is left out: it is not built here`);
      continue;
    }
    const target = join(folder, name);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(source, target);
  }
}

/** The one of its prebuilt parts that fits this machine. */
function nativePartOf(folder) {
  return createRequire(join(folder, "package.json"))("node-gyp-build").resolve(folder);
}

function packageFolder(name) {
  const candidate = join(root, "node_modules", name);
  return existsSync(candidate) ? candidate : undefined;
}
