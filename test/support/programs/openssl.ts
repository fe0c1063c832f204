import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Instant, pemEncode } from "@fleetcert/shared";

/** A path question as `openssl verify` takes it. */
export interface OpensslPath {
  readonly leaf: Uint8Array;
  readonly intermediates: readonly Uint8Array[];
  readonly roots: readonly Uint8Array[];
  readonly at: Instant;
  readonly purpose: "clientAuth" | "serverAuth" | "any";
  /** Lists for every certificate of the path but the root; undefined: revocation is not looked at. */
  readonly crls?: readonly Uint8Array[];
  /** Lists are asked for the leaf only. */
  readonly leafOnly?: boolean;
  /** Deltas among the lists are applied to those they belong to. */
  readonly useDeltas?: boolean;
}

/** What OpenSSL said. */
export interface OpensslVerdict {
  readonly isAccepted: boolean;
  /** Its output, for the message of a failing test. */
  readonly output: string;
}

/** Judges a path with the OpenSSL command line program under its strict X.509 rules. */
export function opensslVerify(path: OpensslPath): OpensslVerdict {
  const { leaf, intermediates, roots, at, purpose, crls, leafOnly = false, useDeltas = false } = path;
  return withFiles(
    {
      "leaf.pem": pems("CERTIFICATE", [leaf]),
      "untrusted.pem": pems("CERTIFICATE", intermediates),
      "roots.pem": pems("CERTIFICATE", roots),
      "crls.pem": pems("X509 CRL", crls ?? []),
    },
    (file) => {
      const { status, output } = openssl([
        "verify",
        "-x509_strict",
        ...["-attime", String(Math.floor(at / 1000))],
        ...["-CAfile", file("roots.pem"), "-no-CApath", "-no-CAstore"],
        ...(intermediates.length > 0 ? ["-untrusted", file("untrusted.pem")] : []),
        ...(purpose === "any" ? [] : ["-purpose", purpose === "clientAuth" ? "sslclient" : "sslserver"]),
        ...(crls === undefined ? [] : [leafOnly ? "-crl_check" : "-crl_check_all", "-CRLfile", file("crls.pem")]),
        ...(useDeltas ? ["-extended_crl", "-use_deltas"] : []),
        file("leaf.pem"),
      ]);
      return { isAccepted: status === 0, output };
    },
  );
}

/** What `openssl x509|crl|req -text` prints of an object; throws when OpenSSL cannot read it. */
export function opensslText(kind: "x509" | "crl" | "req", der: Uint8Array, options: readonly string[] = []): string {
  return withFiles({ "object.der": der }, (file) => {
    const { status, output } = openssl([
      kind,
      "-inform",
      "DER",
      "-in",
      file("object.der"),
      "-noout",
      "-text",
      ...options,
    ]);
    if (status !== 0) throw new Error(`openssl ${kind} failed: ${output}`);
    return output;
  });
}

/** The first line of `openssl version`, undefined where the program is missing. */
export function opensslVersion(): string | undefined {
  const { status, output } = openssl(["version"]);
  return status === 0 ? output.trim() : undefined;
}

const pems = (label: string, ders: readonly Uint8Array[]): string => ders.map((der) => pemEncode(label, der)).join("");

function openssl(args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync("openssl", args, { encoding: "utf8", timeout: 20_000 });
  return { status, output: `${stdout ?? ""}${stderr ?? ""}` };
}

function withFiles<T>(
  files: Readonly<Record<string, string | Uint8Array>>,
  run: (path: (name: string) => string) => T,
): T {
  const folder = mkdtempSync(join(tmpdir(), "fleetcert-openssl-"));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return run((name) => join(folder, name));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
