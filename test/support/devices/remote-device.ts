import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunningController } from "@fleetcert/controller";
import { type CommandOutcome, runAgentCommand } from "../agent/agent-command.ts";

type Operations = RunningController["operations"];

/** A device that never had a network: its data directory, its claim file, a stick, and its commands. */
export class RemoteDevice {
  readonly id: string;
  readonly data: string;
  readonly claimFile: string;
  readonly stick: string;

  /** Settings by environment variables, as its service would have them. */
  env: Readonly<Record<string, string>> = {};

  constructor(directory: string, id: string) {
    this.id = id;
    this.data = join(directory, id);
    this.claimFile = `${this.data}.claim`;
    this.stick = `${this.data}.stick`;
  }

  async begin(claim: string): Promise<this> {
    await mkdir(this.stick);
    await writeFile(this.claimFile, `${claim}\n`, { mode: 0o600 });
    return this;
  }

  run(...args: string[]): Promise<CommandOutcome> {
    return runAgentCommand(this.data, args, this.env);
  }

  exportFirst(...more: string[]) {
    const told = ["--claim-file", this.claimFile, "--device-id", this.id];
    return this.run("bundle", "export", "--out", this.stick, ...told, ...more);
  }

  async bundle(): Promise<Uint8Array> {
    return new Uint8Array(await readFile(join(this.stick, `${this.id}.request.fcb`)));
  }

  /** To the controller and back. */
  async carry(exchange: Operations["courier"]["exchange"]) {
    const done = await exchange({ name: "operator:alice", role: "field" }, await this.bundle());
    await writeFile(join(this.stick, `${this.id}.reply.fcb`), done.reply);
    return done;
  }
}
