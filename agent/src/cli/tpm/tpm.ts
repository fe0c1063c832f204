import { inspectTpm } from "@fleetcert/hw";
import { exitCodes, renderListing, renderOne, span } from "@fleetcert/shared";
import type { Command } from "commander";
import { type CliContext, dataOf, formatOf, QuietExit } from "../context.ts";
import { loadConfig } from "../load-config.ts";
import { endorsementRows } from "./endorsement-rows.ts";

interface TpmOptions {
  readonly tpm?: string;
}

/** `tpm info`, `tpm ek` and `tpm attest`: what the TPM of this device is, who it says it is, and whether it can prove a key. */
export function registerTpm(program: Command, context: CliContext): void {
  const tpm = program.command("tpm").description("the TPM of this device; nothing in it is changed");
  addCommand(tpm, "info", "who made it, what it can do, and whether it is locked").action(
    async (options: TpmOptions, command: Command) => {
      const { tpm: address } = await settingsOf(options, command, context);
      const info = await inspectTpm(address);
      const { isLockedOut, failures, limit, recovery } = info.lockout;
      const forgotten = recovery === 0 ? "never forgotten" : `one forgotten every ${span(recovery * 1000)}`;
      const rows: [string, string][] = [
        ["address", address],
        ["manufacturer", info.manufacturer],
        ["model", info.model],
        ["firmware", info.firmware],
        ["device keys", info.keyAlgorithms.join(", ") || "none that certificates are issued for"],
        ["curves", info.curves.join(", ")],
        ["PCR banks", info.pcrBanks.map(({ hash, pcrs }) => `${hash} (${pcrs})`).join(", ") || "none"],
        [
          "locked",
          isLockedOut ? "YES: failed authorisations of other programs; our keys need none and still sign" : "no",
        ],
        ["failures", `${failures} of ${limit}, ${forgotten}`],
      ];
      context.stdout(renderOne({ address, ...info }, rows, formatOf(command)));
    },
  );
  addCommand(tpm, "ek", "its endorsement key, by which a controller recognises it, and that key's certificate")
    .option("--pem", "print the public key and the certificate as PEM, and nothing else")
    .action(async (options: TpmOptions & { readonly pem?: boolean }, command: Command) => {
      const { readEndorsementKey } = await import("./read-endorsement-key.ts");
      const found = await readEndorsementKey(await settingsOf(options, command, context));
      if (options.pem === true) context.stdout(`${found.publicKeyPem}${found.certificate?.pem ?? ""}`);
      else context.stdout(renderOne(found, endorsementRows(found, context.clock.now()), formatOf(command)));
    });
  addCommand(
    tpm,
    "attest",
    "go through everything an attested enrolment needs, here and now, and show each step",
  ).action(async (options: TpmOptions, command: Command) => {
    const { checkAttestation } = await import("./check-attestation.ts");
    const steps = await checkAttestation(await settingsOf(options, command, context), {
      elapsed: () => context.clock.monotonic(),
    });
    const rows = steps.map(({ step, isOk, ms, finding, fix }) => [isOk ? "✔" : "✖", step, `${ms} ms`, finding, fix]);
    const heads = ["step", "took", "finding", "fix"];
    context.stdout(
      renderListing(steps, { heads: ["", ...heads], csvHeads: ["ok", ...heads], rows }, formatOf(command)),
    );
    if (steps.some(({ isOk }) => !isOk)) throw new QuietExit(exitCodes.hardware);
  });
}

function addCommand(tpm: Command, name: string, description: string): Command {
  return tpm
    .command(name)
    .description(description)
    .option("--tpm <address>", "where the TPM is; keys.tpm of the configuration when it is not given");
}

async function settingsOf({ tpm }: TpmOptions, command: Command, context: CliContext) {
  const { tpmKeysOf } = await import("../start-agent.ts");
  return tpmKeysOf(await loadConfig(dataOf(command, context), context.env, tpm === undefined ? {} : { keys: { tpm } }));
}
