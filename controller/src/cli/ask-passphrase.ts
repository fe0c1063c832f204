import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { FleetError, Secret } from "@fleetcert/shared";

/**
 * Asks for a new passphrase twice on the terminal, without showing it. Nothing typed means a random one is wanted:
 * undefined. Throws `usage` when the two differ.
 */
export async function askNewPassphrase(question: string): Promise<Secret | undefined> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  const ask = async (prompt: string): Promise<string> => {
    process.stderr.write(prompt);
    const typed = await terminal.question("");
    process.stderr.write("\n");
    return typed;
  };
  try {
    const first = await ask(`${question} (empty: a random one is made): `);
    if (first === "") return undefined;
    if ((await ask("the same again: ")) !== first) throw new FleetError("usage", "the two passphrases differ");
    return Secret.of(first);
  } finally {
    terminal.close();
  }
}
