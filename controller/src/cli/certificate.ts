import { fromNow, when } from "@fleetcert/shared";
import type { Command } from "commander";
import { remoteActor } from "../adapters/http/api-client.ts";
import { allPages, type CliContext, connect, formatOf, printList, printOne } from "./context.ts";
import { certificateColumns } from "./output/certificate-columns.ts";
import { wholeNumber } from "./whole-number.ts";

/** `cert list|show`. */
export function registerCertificate(program: Command, context: CliContext): void {
  const cert = program.command("cert").description("the certificates this controller has issued");

  cert
    .command("list")
    .description("list certificates")
    .option("--filter <expression>", "such as 'state=proven && expires<7d'")
    .option("--not-proven", "only those issued and not yet proven in use")
    .option("--limit <n>", "at most so many", wholeNumber(1, 1_000_000), 1000)
    .action(async (options: { filter?: string; notProven?: boolean; limit: number }, command: Command) => {
      const operations = await connect(context, command);
      const { filter, notProven } = options;
      const request = { ...(filter !== undefined && { filter }), ...(notProven === true && { notProven }) };
      const items = await allPages(
        (page) => operations.certificates.list(remoteActor, { ...page, ...request }),
        options.limit,
      );
      printList(context, command, items, certificateColumns(context.now()));
    });

  cert
    .command("show")
    .description("show a certificate by serial or SHA-256")
    .argument("<id>")
    .action(async (id: string, _options: object, command: Command) => {
      const operations = await connect(context, command);
      const shown = await operations.certificates.show(remoteActor, id);
      printOne(context, command, shown, [
        ["serial", shown.serial],
        ["sha256", shown.sha256],
        ["issuer", shown.issuer],
        ["device", `${shown.device}, slot ${shown.slot}, generation ${shown.generation}`],
        ["state", shown.revocationReason === "" ? shown.state : `${shown.state} (${shown.revocationReason})`],
        ["profile", shown.profile],
        ["key", `${shown.keyAlgorithm}, ${shown.protection}`],
        ["valid", `${when(shown.notBefore)} to ${when(shown.notAfter)} (${fromNow(shown.notAfter, context.now())})`],
        ["issued", when(shown.issuedAt)],
        [
          "proven",
          shown.provenVia === "" ? when(shown.provenAt) : `${when(shown.provenAt)} (${ways[shown.provenVia]})`,
        ],
        ["retired", when(shown.retiredAt)],
        ["revoked", when(shown.revokedAt)],
      ]);
      if (formatOf(command) === "table") context.stdout(`\n${shown.pem}`);
    });
}

const ways: Readonly<Record<string, string>> = {
  session: "by a session it authenticated",
  broker: "by its signature, in a session of the device with an external broker",
  service: "by the service that served it",
  courier: "by its signature, brought by a courier",
};
