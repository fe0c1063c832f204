import { writeFile } from "node:fs/promises";
import { FleetError, fromNow, parseDuration, when } from "@fleetcert/shared";
import type { Command } from "commander";
import type { ClaimView } from "../access/operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type AttributeOptions, addAttributeOptions, attributesOf } from "./attributes.ts";
import { allPages, type CliContext, connect, formatOf, printList, printOne } from "./context.ts";
import type { Column } from "./output/render.ts";
import { wholeNumber } from "./whole-number.ts";

/** `claim create|list|revoke`. */
export function registerClaim(program: Command, context: CliContext): void {
  const claim = program.command("claim").description("rights to enrol, counted and expiring");

  addAttributeOptions(claim.command("create"))
    .description("create a claim; the claim string is shown this one time")
    .requiredOption("--uses <n>", "how many devices it enrols", wholeNumber(1, 1_000_000))
    .option("--valid-for <duration>", "how long it can be used, such as 24h", "24h")
    .option("--profile <name>", "profile of the devices it enrols")
    .option("--device <id...>", "only these device ids")
    .option("--out <file>", "write the claim string into a file only its owner can read")
    .action(async (options: CreateOptions, command: Command) => {
      const operations = await connect(context, command);
      const { claim: made, claimString } = await operations.claims.create(remoteActor, {
        maxUses: options.uses,
        validFor: parseDuration(options.validFor),
        ...(options.profile !== undefined && { profile: options.profile }),
        ...(options.device !== undefined && { allowedDevices: options.device }),
        attributes: attributesOf(options),
      });
      if (options.out !== undefined) await writeClaim(options.out, claimString);
      const shown = options.out === undefined ? claimString : `in ${options.out}`;
      printOne(
        context,
        command,
        options.out === undefined ? { ...made, claimString } : { ...made, file: options.out },
        [
          ["claim", made.id],
          ["uses", String(made.maxUses)],
          ["expires", `${when(made.expiresAt)} (${fromNow(made.expiresAt, context.now())})`],
          ["string", shown],
        ],
      );
      if (formatOf(command) === "table") {
        const file = options.out ?? "CLAIM-FILE";
        context.stderr(`next: fleetcert-agent enrol --controller HOST --claim-file ${file} --device-id ID\n`);
      }
    });

  claim
    .command("list")
    .description("list claims")
    .option("--limit <n>", "at most so many", wholeNumber(1, 1_000_000), 1000)
    .action(async ({ limit }: { limit: number }, command: Command) => {
      const operations = await connect(context, command);
      const items = await allPages((page) => operations.claims.list(remoteActor, page), limit);
      printList(context, command, items, columns(context));
    });

  claim
    .command("revoke")
    .description("end a claim; what it enrolled stays")
    .argument("<id>")
    .action(async (id: string, _options: object, command: Command) => {
      const operations = await connect(context, command);
      const ended = await operations.claims.revoke(remoteActor, id);
      printOne(context, command, ended, [
        ["claim", ended.id],
        ["revoked", when(ended.revokedAt)],
      ]);
    });
}

interface CreateOptions extends AttributeOptions {
  readonly uses: number;
  readonly validFor: string;
  readonly profile?: string;
  readonly device?: string[];
  readonly out?: string;
}

function columns(context: CliContext): Column<ClaimView>[] {
  return [
    { head: "claim", text: ({ id }) => id },
    { head: "uses", text: ({ uses, maxUses }) => `${uses}/${maxUses}` },
    { head: "state", text: (claim) => stateOf(claim, context.now()) },
    { head: "expires", text: ({ expiresAt }) => when(expiresAt) },
    { head: "profile", text: ({ profile }) => profile },
    { head: "site", text: ({ attributes }) => attributes.site },
    { head: "created by", text: ({ createdBy }) => createdBy },
  ];
}

function stateOf(claim: ClaimView, now: number): string {
  if (claim.revokedAt !== undefined) return "revoked";
  if (claim.expiresAt <= now) return "expired";
  return claim.uses >= claim.maxUses ? "spent" : "open";
}

/** Writes a claim string into a new file that only its owner can read. Throws `already-exists`. */
export async function writeClaim(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, `${text}\n`, { mode: 0o600, flag: "wx" });
  } catch (cause) {
    throw new FleetError("already-exists", `the claim string cannot be written to ${file}`, {
      hint: "name a file that does not exist in a folder you can write; the claim was created and can be revoked",
      cause,
    });
  }
}
