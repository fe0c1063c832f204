import { execFile } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { FleetError, Secret, type SecretSource } from "@fleetcert/shared";
import { secretFile } from "./secret-file.ts";

/**
 * Where a PIN comes from, as configuration and the `pin-source` of an RFC 7512 URI name it. It is fetched anew each time it is
 * needed, never from a command line of ours.
 *
 * - `file:/path` or `/path`: a file of mode 0600;
 * - `credential:NAME`: a credential of the service manager, `$CREDENTIALS_DIRECTORY/NAME`;
 * - `env:NAME`: an environment variable, for containers; other processes of the same user can read it;
 * - `|/path/program argument …`: what a program prints, run without a shell for at most 10 seconds.
 *
 * Throws `config-invalid` for anything else, without repeating it: it may be a PIN. So does asking, when there is no PIN.
 */
export function pinSource(text: string, env: Readonly<Record<string, string | undefined>> = process.env): SecretSource {
  const [, kind = "", rest = ""] = /^(file:|credential:|env:|\||(?=\/))(.+)$/s.exec(text) ?? [];
  switch (kind) {
    case "":
      if (!rest.startsWith("/")) throw unknownSource();
      return secretFile(rest);
    case "file:":
      return secretFile(rest.replace(/^\/\/(?=\/)/, ""));
    case "credential:":
      return () => credential(rest, env["CREDENTIALS_DIRECTORY"]);
    case "env:":
      return () => onlyLine(env[rest], `the environment variable ${rest}`);
    default:
      return fromProgram(rest.split(" "));
  }
}

function credential(name: string, directory: string | undefined): Secret {
  if (directory === undefined) {
    throw invalid("the service manager passed no credentials ($CREDENTIALS_DIRECTORY is not set)", {
      hint: `add LoadCredentialEncrypted=${printableName(name)} to the service, or run this under systemd-run -p LoadCredential=…`,
    });
  }
  if (!/^[A-Za-z0-9_.-]{1,255}$/.test(name) || name.startsWith(".")) throw unknownSource();
  const path = join(directory, name);
  try {
    // The service manager lets the service's user read it by an access control list, which shows as group bits.
    const { mode, size } = statSync(path);
    if ((mode & 0o007) !== 0) throw invalid(`the credential ${name} can be read by others`, {});
    if (size > maxBytes) throw invalid(`the credential ${name} has ${size} bytes, at most ${maxBytes} are read`, {});
    return onlyLine(readFileSync(path, "utf8"), `the credential ${name}`);
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw invalid(`the credential ${name} cannot be read`, {
      cause,
      hint: "name it in LoadCredential= of the service",
    });
  }
}

function fromProgram([program = "", ...args]: readonly string[]): SecretSource {
  if (!program.startsWith("/")) throw unknownSource();
  return () =>
    new Promise((resolve, reject) => {
      const limits = {
        timeout: programTimeoutMs,
        maxBuffer: maxBytes,
        killSignal: "SIGKILL",
        windowsHide: true,
      } as const;
      const child = execFile(program, args, limits, (error, stdout) => {
        try {
          // Its output may hold the PIN, so neither output nor cause is passed on.
          if (error !== null)
            throw invalid(`the PIN program ${program} ${howItFailed(error)}`, { hint: "run it by hand" });
          resolve(onlyLine(stdout, `the PIN program ${program}`));
        } catch (failure) {
          reject(failure);
        }
      });
      child.stdin?.end();
    });
}

function howItFailed({ code, killed, signal }: Error & { code?: unknown; killed?: boolean; signal?: unknown }): string {
  if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return `printed more than ${maxBytes} bytes`;
  if (killed === true) return `was ended after ${programTimeoutMs / 1000} s`;
  return typeof code === "number" ? `ended with ${code}` : `did not run (${String(code ?? signal)})`;
}

function onlyLine(text: string | undefined, where: string): Secret {
  const pin = text?.replace(/\r?\n$/, "") ?? "";
  if (pin === "") throw invalid(`${where} holds no PIN`, { hint: "put the PIN there, on one line" });
  if (pin.length > maxBytes || /[\r\n]/.test(pin)) throw invalid(`${where} holds more than one line`, {});
  return Secret.of(pin);
}

const printableName = (name: string): string => name.replaceAll(/[^A-Za-z0-9_.-]/g, "?").slice(0, 64);

const unknownSource = (): FleetError =>
  invalid("the PIN source is none of file:/PATH, credential:NAME, env:NAME and |/PROGRAM", {
    hint: "a PIN itself never stands in configuration or on a command line",
  });

const invalid = (message: string, details: { readonly hint?: string; readonly cause?: unknown }): FleetError =>
  new FleetError("config-invalid", message, details);

const maxBytes = 4096;
const programTimeoutMs = 10_000;
