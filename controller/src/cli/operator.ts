import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeCsr, FleetError, pemEncode, when } from "@fleetcert/shared";
import { type Command, Option } from "commander";
import type { OperatorView } from "../access/operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import type { Role } from "../records.ts";
import { allPages, type CliContext, connect, formatOf, printList, printOne } from "./context.ts";
import { registerOperatorKey } from "./operator-key.ts";
import { newOperatorKey, passphraseBeside, passphraseForKey } from "./operator-key-file.ts";
import { short } from "./output/human.ts";

/** `operator create|renew|list|disable|key`. */
export function registerOperator(program: Command, context: CliContext): void {
  const operator = program.command("operator").description("persons who may use the API, by client certificate or key");
  registerOperatorKey(operator, context);

  operator
    .command("create")
    .description("make a key here and let the controller certify it")
    .argument("<name>")
    .addOption(
      new Option("--role <role>", "what the person may do")
        .choices(["viewer", "auditor", "field", "factory", "operator", "security", "approver", "admin"])
        .makeOptionMandatory(),
    )
    .option("--person <name>", "whose it is, when another operator is of the same person already")
    .option("--out <dir>", "folder for NAME.key.pem and NAME.cert.pem", ".")
    .option("--passphrase-file <file>", passphraseMeaning)
    .action(async (name: string, options: CreateFlags, command: Command) => {
      const operations = await connect(context, command);
      const keyFile = join(options.out, `${name}.key.pem`);
      const given = options.passphraseFile;
      const { passphrase, text } = await passphraseForKey(context, { name, keyFile, given });
      const { pem, signer } = await newOperatorKey(passphrase);
      const csr = await encodeCsr({ signer, commonName: name });
      const certificateFile = join(options.out, `${name}.cert.pem`);
      // The key is on the disk before it is certified: a certificate without its key would only have to be disabled.
      await writeNew(options.out, keyFile, pem, 0o600);
      const passphraseFile = text === undefined ? undefined : passphraseBeside(keyFile);
      if (passphraseFile !== undefined) await writeNew(options.out, passphraseFile, `${text}\n`, 0o600);
      const { role, person } = options;
      const made = await operations.operators.create(remoteActor, { name, role, csr, ...(person && { person }) });
      const chain = [made.certificate, ...made.chain].map((der) => pemEncode("CERTIFICATE", der)).join("");
      await writeNew(options.out, certificateFile, chain, 0o644);
      printOne(context, command, { ...made.operator, keyFile, certificateFile, passphraseFile }, [
        ["operator", made.operator.name],
        ["person", made.operator.person],
        ["role", made.operator.role],
        ["expires", when(made.operator.notAfter)],
        ["key", `${keyFile}, encrypted`],
        ...(passphraseFile === undefined
          ? []
          : [["passphrase", `${passphraseFile}, random: keep it elsewhere`] as const]),
        ["certificate", certificateFile],
      ]);
      if (formatOf(command) === "table") {
        context.stderr(
          `next: fleetcert --url https://HOST:PORT --cert ${certificateFile} --key ${keyFile} --root ROOT.pem device list\n`,
        );
      }
    });

  operator
    .command("renew")
    .description("make a new key here and let the controller certify it under the same name; the old certificate ends")
    .argument("<name>")
    .option("--out <dir>", "folder of NAME.key.pem and NAME.cert.pem, which are replaced", ".")
    .option("--passphrase-file <file>", passphraseMeaning)
    .action(async (name: string, options: Pick<CreateFlags, "out" | "passphraseFile">, command: Command) => {
      const operations = await connect(context, command);
      const keyFile = join(options.out, `${name}.key.pem`);
      const given = options.passphraseFile;
      const { passphrase, text } = await passphraseForKey(context, { name, keyFile, given });
      const { pem, signer } = await newOperatorKey(passphrase);
      const certificateFile = join(options.out, `${name}.cert.pem`);
      const csr = await encodeCsr({ signer, commonName: name });
      // Beside the old one until it is certified: whoever is refused keeps what worked.
      await rm(`${keyFile}.new`, { force: true });
      await writeNew(options.out, `${keyFile}.new`, pem, 0o600);
      if (text !== undefined) await writeNew(options.out, passphraseBeside(keyFile), `${text}\n`, 0o600);
      const made = await operations.operators.renew(remoteActor, { name, csr });
      const chain = [made.certificate, ...made.chain].map((der) => pemEncode("CERTIFICATE", der)).join("");
      await rm(`${certificateFile}.new`, { force: true });
      await writeNew(options.out, `${certificateFile}.new`, chain, 0o644);
      await rename(`${keyFile}.new`, keyFile);
      await rename(`${certificateFile}.new`, certificateFile);
      printOne(context, command, { ...made.operator, keyFile, certificateFile }, [
        ["operator", made.operator.name],
        ["role", made.operator.role],
        ["expires", when(made.operator.notAfter)],
        ["key", keyFile],
        ["certificate", certificateFile],
      ]);
    });

  operator
    .command("list")
    .description("list operators")
    .action(async (_options: object, command: Command) => {
      const operations = await connect(context, command);
      const items = await allPages((page) => operations.operators.list(remoteActor, page), 10_000);
      printList(context, command, items, [
        { head: "operator", text: ({ name }: OperatorView) => name },
        { head: "person", text: ({ person }) => person },
        { head: "role", text: ({ role }) => role },
        { head: "expires", text: ({ notAfter }) => when(notAfter) },
        { head: "disabled", text: ({ disabledAt }) => when(disabledAt) },
        { head: "certificate", text: ({ certificateSha256 }) => short(certificateSha256) },
      ]);
    });

  operator
    .command("disable")
    .description("end an operator's access at once")
    .argument("<name>")
    .action(async (name: string, _options: object, command: Command) => {
      const disabled = await (await connect(context, command)).operators.disable(remoteActor, name);
      printOne(context, command, disabled, [
        ["operator", disabled.name],
        ["disabled", when(disabled.disabledAt)],
      ]);
    });
}

async function writeNew(folder: string, file: string, text: string, mode: number): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(file, text, { mode, flag: "wx" });
  } catch (cause) {
    throw new FleetError("already-exists", `${file} cannot be written`, {
      hint: "it must not exist yet, and the folder must be writable; name another one with --out",
      cause,
    });
  }
}

interface CreateFlags {
  readonly role: Role;
  readonly person?: string;
  readonly out: string;
  readonly passphraseFile?: string;
}

const passphraseMeaning =
  "passphrase of the key, on the first line; else NAME.passphrase there, one that is asked for, or a random one";
