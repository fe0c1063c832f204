import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { capture } from "./process.mjs";
import { note, step } from "./step.mjs";

/** Debian packages, and the commands or PKCS#11 modules that show they are there. */
const commandsOf = {
  "build-essential": ["g++", "make"],
  python3: ["python3"],
  softhsm2: ["softhsm2-util"],
  faketime: ["faketime"],
  openssl: ["openssl"],
  mosquitto: ["mosquitto"],
  "mosquitto-clients": ["mosquitto_pub"],
  "nginx-light": ["nginx"],
  "gnutls-bin": ["gnutls-cli", "certtool"],
  swtpm: ["swtpm"],
  "swtpm-tools": ["swtpm_setup", "swtpm_localca"],
  opensc: ["pkcs11-tool"],
  "p11-kit": ["p11-kit"],
  "p11-kit-modules": ["p11-kit-client.so"],
  "libtpm2-pkcs11-1": ["libtpm2_pkcs11.so"],
};

const native = ["build-essential", "python3", "softhsm2"];

/** What each sub-command of run.mjs uses of the system. */
export const packagesFor = {
  demo: [...native, "faketime"],
  "demo with TPMs": [...native, "faketime", "swtpm", "swtpm-tools", "gnutls-bin"],
  "demo with services": [...native, "faketime", "openssl", "mosquitto", "nginx-light"],
  check: [...native, "openssl"],
  bench: [...native, "openssl", "swtpm", "swtpm-tools", "nginx-light"],
  test: Object.keys(commandsOf),
};

/** Where daemons live on Debian; not on the PATH of ordinary users. */
const systemFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** The PATH with the folders where Debian keeps daemons at its end. */
export function pathWithSystemFolders(path = process.env.PATH ?? "") {
  const known = path.split(delimiter);
  return [...known, ...systemFolders.filter((folder) => !known.includes(folder))].join(delimiter);
}

/** Whether native addons can be compiled here. */
export function canCompile() {
  return missing(["build-essential", "python3"]).length === 0;
}

/**
 * Installs what is missing through apt-get where root or a passwordless sudo allow it (FLEETCERT_NO_APT=1 forbids it);
 * elsewhere says in one line what is missing and how to get it. Never fails: every one of them is optional.
 * @param {readonly string[]} wanted
 */
export async function ensureSystemPackages(wanted) {
  const lacking = missing(wanted);
  if (lacking.length === 0) return;
  const how = await installer();
  if (how) {
    const installed = await step(`installing ${lacking.join(", ")}`, () => install(how, lacking)).then(
      () => true,
      (error) => note(`apt-get failed: ${lastLine(error.message)}`),
    );
    if (installed) return;
  }
  const consequence = lacking.some((name) => native.includes(name))
    ? "keys are kept in software until then"
    : "the tests that need them are skipped";
  note(`not installed: ${lacking.join(", ")} (${consequence}). To get them: ${advice(lacking)}`);
}

function missing(wanted) {
  const folders = [...pathWithSystemFolders().split(delimiter), ...moduleFolders()];
  const isThere = (file) => folders.some((folder) => existsSync(join(folder, file)));
  return wanted.filter((name) => !commandsOf[name].every(isThere));
}

/** Where Debian keeps PKCS#11 modules: a folder for each architecture. */
function moduleFolders() {
  const libraries = "/usr/lib";
  if (!existsSync(libraries)) return [];
  return readdirSync(libraries).map((name) => join(libraries, name, "pkcs11"));
}

/** The command line that may run apt-get, or undefined where nobody lets us. */
async function installer() {
  if (process.env.FLEETCERT_NO_APT || process.platform !== "linux" || !existsSync("/usr/bin/apt-get")) return undefined;
  const aptGet = ["env", "DEBIAN_FRONTEND=noninteractive", `PATH=${pathWithSystemFolders()}`, "apt-get", "-q", "-y"];
  if (process.getuid?.() === 0) return aptGet;
  const { code } = await capture("sudo", ["-n", "true"]);
  return code === 0 ? ["sudo", "-n", ...aptGet] : undefined;
}

async function install([command, ...first], packages) {
  const run = (...args) => capture(command, [...first, ...args]);
  const withoutLists = await run("install", "--no-install-recommends", ...packages);
  if (withoutLists.code !== 0) {
    const update = await run("update");
    const again = await run("install", "--no-install-recommends", ...packages);
    if (again.code !== 0) throw new Error(again.output || update.output);
  }
  return `system packages: ${packages.join(", ")}`;
}

function advice(packages) {
  const line = `sudo apt-get install ${packages.join(" ")}`;
  return existsSync("/usr/bin/apt-get") ? line : `on Debian or Ubuntu: ${line}`;
}

function lastLine(text) {
  return text.trim().split("\n").at(-1) ?? "";
}
