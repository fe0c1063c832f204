import { FleetError, fromNow, span, when } from "@fleetcert/shared";
import type { Command } from "commander";
import type { DeviceView, Operations } from "../access/operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import type { ConnectivityClass } from "../records.ts";
import { type AttributeOptions, addAttributeOptions, attributesOf, connectivityText } from "./attributes.ts";
import { allPages, type CliContext, connect, formatOf, printList, printOne } from "./context.ts";
import { registerReenrol } from "./device-reenrol.ts";
import { attestationRows } from "./output/attestation-rows.ts";
import { certificateColumns } from "./output/certificate-columns.ts";
import { short } from "./output/human.ts";
import { type Column, renderList } from "./output/render.ts";
import { slotColumns } from "./output/slot-columns.ts";
import { registerQuote } from "./quote.ts";
import { requireConfirmation } from "./require-confirmation.ts";
import { wholeNumber } from "./whole-number.ts";

/** `device list|show|set|suspend|reinstate|reenrol|retire`. */
export function registerDevice(program: Command, context: CliContext): void {
  const device = program.command("device").description("the devices of the fleet");
  registerList(device, context);
  registerShow(device, context);
  addAttributeOptions(device.command("set"), "computed")
    .description("set registry attributes")
    .argument("<id>")
    .action(async (id: string, options: AttributeOptions<ConnectivityClass | "computed">, command: Command) => {
      const attributes = attributesOf(options);
      if (Object.keys(attributes).length === 0) throw new FleetError("usage", "name at least one attribute to set");
      const changed = await (await connect(context, command)).devices.set(remoteActor, id, attributes);
      printDevice(context, command, changed);
    });
  device
    .command("suspend")
    .description("suspend a device: it gets no certificate until a person reinstates it")
    .argument("<id>")
    .requiredOption("--reason <text>", "why")
    .option("--yes", "do not ask")
    .action(async (id: string, options: { reason: string; yes?: boolean }, command: Command) => {
      await requireConfirmation(context, options, `Suspend ${id}? Its sessions are dropped at once.`);
      printDevice(
        context,
        command,
        await (await connect(context, command)).devices.suspend(remoteActor, id, options.reason),
      );
    });
  device
    .command("reinstate")
    .description("re-approve a suspended device")
    .argument("<id>")
    .action(async (id: string, _options: object, command: Command) => {
      printDevice(context, command, await (await connect(context, command)).devices.reinstate(remoteActor, id));
    });
  registerReenrol(device, context);
  registerQuote(device, context);
  device
    .command("retire")
    .description("revoke its certificates, let it erase its keys on next contact, keep the history")
    .argument("<id>")
    .option("--yes", "do not ask")
    .action(async (id: string, options: { yes?: boolean }, command: Command) => {
      await requireConfirmation(context, options, `Retire ${id}? It erases its keys on next contact.`);
      printDevice(context, command, await (await connect(context, command)).devices.retire(remoteActor, id));
    });
}

function registerList(device: Command, context: CliContext): void {
  device
    .command("list")
    .description("list devices")
    .option("--filter <expression>", "such as 'site=berlin && age>30d'")
    .option("--limit <n>", "at most so many", wholeNumber(1, 1_000_000), 1000)
    .action(async (options: ListOptions, command: Command) => {
      const operations = await connect(context, command);
      printList(context, command, await devicesOf(operations, options), columns(context));
    });
}

function registerShow(device: Command, context: CliContext): void {
  device
    .command("show")
    .description("show one device with its slots and certificates")
    .argument("<id>")
    .action(async (id: string, _options: object, command: Command) => {
      const shown = await (await connect(context, command)).devices.show(remoteActor, id);
      printOne(context, command, shown, [
        ...deviceRows(shown, context.now()),
        ...attestationRows(shown, context.now()),
      ]);
      if (formatOf(command) !== "table") return;
      context.stdout(`\n${renderList(shown.slots, slotColumns(context.now()), "table")}`);
      context.stdout(`\n${renderList(shown.certificates, certificateColumns(context.now()), "table")}`);
    });
}

interface ListOptions {
  readonly filter?: string;
  readonly limit: number;
}

function devicesOf(operations: Operations, { filter, limit }: ListOptions): Promise<DeviceView[]> {
  return allPages(
    (page) => operations.devices.list(remoteActor, { ...page, ...(filter !== undefined && { filter }) }),
    limit,
  );
}

function columns(context: CliContext): Column<DeviceView>[] {
  return [
    { head: "device", text: ({ id }) => id },
    { head: "state", text: ({ state }) => state },
    { head: "online", text: ({ connected }) => (connected ? "●" : "○") },
    { head: "site", text: ({ attributes }) => attributes.site },
    { head: "owner", text: ({ attributes }) => attributes.owner },
    { head: "generation", text: ({ certificate }) => String(certificate?.generation ?? "-") },
    { head: "key", text: ({ certificate }) => certificate?.protection ?? "-" },
    { head: "age", text: ({ certificate }) => (certificate ? span(context.now() - certificate.issuedAt) : "-") },
    { head: "expires", text: ({ certificate }) => when(certificate?.notAfter) },
    { head: "last seen", text: ({ lastSeenAt }) => fromNow(lastSeenAt, context.now()) },
  ];
}

function printDevice(context: CliContext, command: Command, device: DeviceView): void {
  printOne(context, command, device, deviceRows(device, context.now()));
}

function deviceRows(device: DeviceView, now: number): [string, string][] {
  const { attributes, certificate } = device;
  return [
    ["device", device.id],
    ["state", device.stateReason === "" ? device.state : `${device.state} (${device.stateReason})`],
    ["online", device.connected ? "yes" : `no, last seen ${fromNow(device.lastSeenAt, now)}`],
    ["site", attributes.site],
    ["owner", attributes.owner],
    ["environment", attributes.environment],
    ["criticality", attributes.criticality],
    ["tags", attributes.tags.join(", ")],
    ["connectivity", connectivityText(attributes)],
    ...courierRows(device, now),
    ["agent", device.agentVersion],
    ["clock offset", span(device.clockOffset)],
    [
      "certificate",
      certificate ? `${short(certificate.serial)} generation ${certificate.generation}, ${certificate.state}` : "-",
    ],
    ["key", certificate ? `${certificate.keyAlgorithm}, ${certificate.protection}` : "-"],
    ["expires", certificate ? `${when(certificate.notAfter)} (${fromNow(certificate.notAfter, now)})` : "-"],
  ];
}

function courierRows({ courier }: DeviceView, now: number): [string, string][] {
  if (courier === undefined) return [];
  const { at, operator, generation, counter } = courier;
  return [["courier", `bundle ${generation}.${counter}, ${fromNow(at, now)}, brought by ${operator}`]];
}
