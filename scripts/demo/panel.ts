import { styleText } from "node:util";

/** What the run tells a person, on stderr: one line a step, bars while something goes on. */
export interface Panel {
  step(text: string): void;
  warn(text: string): void;
  /** Draws or redraws the bar; without a terminal a line is written when the bar begins and when it is full. */
  bar(name: string, done: number, total: number, note?: string): void;
  print(text: string): void;
}

/** Opens a panel over a stream. */
export function openPanel(stream: NodeJS.WriteStream = process.stderr): Panel {
  const isLive = stream.isTTY === true && process.env["NO_COLOR"] === undefined;
  const style = (format: Parameters<typeof styleText>[0], text: string) =>
    styleText(format, text, { stream, validateStream: true });
  const drawn = new Map<string, string>();
  let open: string | undefined;
  const endLine = () => {
    if (open !== undefined && isLive) stream.write("\n");
    open = undefined;
  };
  const line = (text: string) => {
    endLine();
    stream.write(`${text}\n`);
  };
  return {
    step: (text) => line(`${style("green", "✔")} ${text}`),
    warn: (text) => line(`${style("yellow", "▲")} ${text}`),
    print: line,
    bar(name, done, total, note = "") {
      const text = `${name.padEnd(8)} ${drawBar(done, total)} ${done}/${total}  ${note}`.trimEnd();
      if (drawn.get(name) === text) return;
      drawn.set(name, text);
      if (!isLive) {
        if (done >= total) stream.write(`${text}\n`);
        return;
      }
      if (open !== name) endLine();
      stream.write(`\r\u001b[K${text}`);
      open = name;
    },
  };
}

/** A bar of fixed width, eighths of a cell. */
export function drawBar(done: number, total: number, width = 24): string {
  const eighths = total === 0 ? width * 8 : Math.round((Math.min(done, total) / total) * width * 8);
  const full = "█".repeat(Math.floor(eighths / 8));
  const part = eighths % 8 === 0 ? "" : (" ▏▎▍▌▋▊▉"[eighths % 8] ?? "");
  return (full + part).padEnd(width, "·");
}
