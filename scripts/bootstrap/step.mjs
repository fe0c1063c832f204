/** A step of the set-up that cannot be done; `hint` is what the person can do now. */
export class SetupError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/**
 * Does one step and prints one line on stderr: `✔ done  1.2 s`. While it runs a terminal shows what is going on.
 * @param {string} doing what a person reads while waiting
 * @param {() => Promise<string>} work resolves to what stands now
 */
export async function step(doing, work) {
  const started = Date.now();
  const live = process.stderr.isTTY;
  if (live) process.stderr.write(`· ${doing} …`);
  try {
    const done = await work();
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    say(`${green("✔")} ${done}  ${dim(`${seconds} s`)}`);
  } finally {
    if (live) process.stderr.write("\r\x1b[K");
  }

  function say(line) {
    process.stderr.write(`${live ? "\r\x1b[K" : ""}${line}\n`);
  }
}

/** Prints one line that says what stands, on stderr. */
export function done(line) {
  process.stderr.write(`${green("✔")} ${line}\n`);
}

/** Prints one line that the person should see, on stderr. */
export function note(line) {
  process.stderr.write(`${yellow("!")} ${line}\n`);
}

/** Prints why the set-up stopped, on stderr. */
export function failure(error) {
  process.stderr.write(`${red("✖")} ${error.message}\n`);
  if (error.hint) process.stderr.write(`  fix   ${error.hint}\n`);
}

const colour = (code) => (text) =>
  process.stderr.isTTY && !process.env.NO_COLOR ? `\x1b[${code}m${text}\x1b[0m` : text;
const green = colour(32);
const yellow = colour(33);
const red = colour(31);
const dim = colour(2);
