import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pemEncode } from "@fleetcert/shared";
import type { OptionalPart } from "./optional-part.ts";

/** For `describeWith`: GnuTLS's own programs. */
export const gnutlsPart: OptionalPart = {
  name: "certtool",
  isPresent: spawnSync("certtool", ["--version"]).status === 0,
  install: "sudo apt-get install gnutls-bin",
};

/** Runs a program of GnuTLS on files of a scratch directory; `args` name them as they are named here. */
export function runGnutls(
  program: "certtool" | "ocsptool",
  args: readonly string[],
  files: Readonly<Record<string, string | Uint8Array>>,
): { readonly status: number | null; readonly output: string } {
  const cwd = mkdtempSync(join(tmpdir(), "fleetcert-gnutls-"));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content);
    const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8", timeout: 20_000 });
    return { status, output: `${stdout ?? ""}${stderr ?? ""}` };
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

/** What `certtool --crl-info` prints of a list. Throws when GnuTLS cannot read it. */
export function certtoolText(der: Uint8Array): string {
  const { status, output } = runGnutls("certtool", ["--crl-info", "--inder", "--infile", "list.der"], {
    "list.der": der,
  });
  if (status !== 0) throw new Error(`certtool failed: ${output}`);
  return output;
}

/** Whether GnuTLS finds a list signed by its issuer. */
export function certtoolVerifies(der: Uint8Array, issuer: Uint8Array): boolean {
  const files = { "list.pem": pemEncode("X509 CRL", der), "ca.pem": pemEncode("CERTIFICATE", issuer) };
  const args = ["--verify-crl", "--load-ca-certificate", "ca.pem", "--infile", "list.pem"];
  const { status, output } = runGnutls("certtool", args, files);
  return status === 0 && /Verified\./.test(output);
}
