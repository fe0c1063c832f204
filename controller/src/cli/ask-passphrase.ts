import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { FleetError, Secret } from "@fleetcert/shared";

/**
 * Asks for a new passphrase twice on the terminal, without showing it. Nothing typed means a random one is wanted:
 * undefined. Throws `usage` when the two differ.
 */
export async function askNewPassphrase(question: string): Promise<Secret | undefined> {
  return await onSilentTerminal(async (ask) => {
    const first = await ask(`${question} (empty: a random one is made): `);
    if (first === "") return undefined;
    if ((await ask("the same again: ")) !== first) throw new FleetError("usage", "the two passphrases differ");
    return Secret.of(first);
  });
}

/** Asks for a passphrase that is there already, without showing it. */
export async function askPassphrase(question: string): Promise<Secret> {
  return await onSilentTerminal(async (ask) => Secret.of(await ask(question)));
}

async function onSilentTerminal<T>(talk: (ask: (prompt: string) => Promise<string>) => Promise<T>): Promise<T> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await talk(async (prompt) => {
      process.stderr.write(prompt);
      const typed = await terminal.question("");
      process.stderr.write("\n");
      return typed;
    });
  } finally {
    terminal.close();
  }
}
