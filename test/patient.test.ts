/**
 * The helper that waits for progress: what prints or writes may take as long as it likes, what does nothing
 * is ended.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runPatiently } from "./support/patient.ts";

const folder = mkdtempSync(join(tmpdir(), "sinter-patient-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** These wait most of the time, and wait together, each in a folder of its own. */
const waiting = (name: string, body: (cwd: string) => Promise<void>): void =>
  test.concurrent(name, () => body(mkdtempSync(join(folder, "own-"))));

waiting("output, exit code and standard input", async (cwd) => {
  expect(await runPatiently("cat; echo there >&2; exit 3", { cwd, stdin: "here\n" })).toEqual({
    exit: 3,
    output: "here\nthere\n",
    stalled: false,
  });
  expect(await runPatiently("false | cat; echo unreached", { cwd })).toMatchObject({ exit: 1, output: "" });
});

waiting("a command that does nothing is ended with all that it started", async (cwd) => {
  expect(await runPatiently("sleep 1000 & sleep 1000", { cwd, quietMs: 1500 })).toEqual({
    exit: 137,
    output: "",
    stalled: true,
  });
});

waiting("one that prints is not", async (cwd) => {
  const command = "for i in 1 2 3 4 5 6 7 8; do sleep 0.8; echo $i; done";
  expect(await runPatiently(command, { cwd, quietMs: 5000 })).toMatchObject({ exit: 0, stalled: false });
});

waiting("one that writes into its folder is not", async (cwd) => {
  const command = "for i in 1 2 3 4 5 6 7 8; do sleep 0.8; echo $i >> file; done";
  expect(await runPatiently(command, { cwd, quietMs: 5000 })).toMatchObject({ exit: 0, stalled: false });
});

waiting("it can be stopped by what it prints", async (cwd) => {
  // not a trap of bash's: with a signal between two children, bash 5.2 may send it to itself without end
  const program =
    "process.once('SIGINT', () => { console.log('stopped'); process.exit(5); }); " +
    "setInterval(() => undefined, 1000); console.log('ready');";
  const outcome = await runPatiently(`exec node -e "${program}"`, {
    cwd,
    onOutput: (text, stop) => {
      if (text.endsWith("ready\n")) stop();
    },
  });
  expect(outcome).toMatchObject({ exit: 5, output: "ready\nstopped\n" });
});

test("no test has a limit of its own in seconds: a busy machine takes ten times as long", () => {
  const folder = new URL("./", import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".test.ts"),
  );
  const found = files.flatMap((file) =>
    readFileSync(new URL(file, folder), "utf8")
      .split("\n")
      .flatMap((line, i) =>
        /^\s*\}, \d[\d_]*_000\);$|[`"], \{ timeout: [1-9]/.test(line)
          ? [`${file}:${i + 1}  ${line.trim()}`]
          : [],
      ),
  );
  expect(found).toEqual([]);
});
