import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, it } from "vitest";

it.each(["controller/src/main.ts", "agent/src/main.ts"])(
  "%s is interrupted without a trace when nobody reads its output any more, as with head",
  async (program) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "../..", program), "--help"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const [code] = await once(child, "close");
    expect({ code, stderr }).toEqual({ code: 130, stderr: "" });
  },
);
