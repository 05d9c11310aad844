/**
 * Tests of standard output that is closed or full, and of exit codes, which are the same in the help, in the
 * table, and through the launcher under any Node.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { exitCodesText, overview } from "../../../app/cli/main.ts";
import { exitCodes, exitMeanings } from "../../../runtime/base/errors.ts";
import { SINTER } from "../../support/paths.ts";

const oldNode = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => existsSync(path));
const nodes = [process.execPath, ...(oldNode === undefined ? [] : [oldNode])];
const SPEC =
  "model m {\n  vocab 256   context 32   width 16   layers 1   heads 2\n  embed token + position\n  " +
  "layer {\n    x += mlp(layernorm(x))\n  }\n  output linear(layernorm(x))\n  tokenizer bytes\n  train " +
  "{ batch 4  context 16  steps 1000000  eval_every 0 }\n}\n";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sinter-closed-"));
  writeFileSync(join(folder, "m.sinter"), SPEC);
  writeFileSync(join(folder, "text.txt"), "The quick brown fox.\n".repeat(100));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `$S …` in a shell. Returns the exit code of the first program of a pipe. */
function shell(
  script: string,
  node = process.execPath,
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const child = spawn("bash", ["-c", `S() { "$NODE" "$SINTER" "$@"; }; ${script}; exit \${PIPESTATUS[0]}`], {
    cwd: folder,
    env: { ...process.env, NODE: node, SINTER },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((done) => child.on("close", (code) => done({ code: code!, out, err })));
}

describe.each(nodes)("under %s", (node) => {
  it("output that nobody reads: other verbs stop without a word, with a code of their own", async () => {
    expect(await shell("S explain | true", node)).toEqual({ code: exitCodes.closed, out: "", err: "" });
    expect(await shell("S check m.sinter --json | true", node)).toEqual({
      code: exitCodes.closed,
      out: "",
      err: "",
    });
  });
  it("a training run saves, and exits 5", async () => {
    const out = `closed-${nodes.indexOf(node)}`;
    const { code, err } = await shell(
      `S train m.sinter --data text.txt --out ${out} --workers 1 --target simd --json | head -3`,
      node,
    );
    expect([code, err]).toEqual([5, "note: nobody reads the output any more: stopping, as at SIGTERM\n"]);
    expect(readdirSync(join(folder, out)).some((name) => /^step-\d+\.safetensors$/.test(name))).toBe(true);
  });
  it.skipIf(!existsSync("/dev/full"))("output that is full: said, and never exit code 0", async () => {
    expect(await shell("S explain > /dev/full", node)).toMatchObject({
      code: 1,
      err: "error: cannot write to standard output: the disk is full\n",
    });
    const out = `full-${nodes.indexOf(node)}`;
    const { code, err } = await shell(
      `S train m.sinter --data text.txt --out ${out} --workers 1 --target simd --json > /dev/full`,
      node,
    );
    expect([code, err]).toEqual([5, "error: cannot write to standard output: the disk is full\n"]);
    expect(readdirSync(join(folder, out)).some((name) => /^step-\d+\.safetensors$/.test(name))).toBe(true);
  });
  it("standard error that nobody reads costs nothing", async () => {
    expect(await shell("S check m.sinter 2>&1 >/dev/null | true", node)).toMatchObject({ code: 0 });
    expect(await shell("S check none.sinter 2>&1 >/dev/null | true", node)).toMatchObject({ code: 1 });
  });
  test.each([
    ["S --version", 0],
    ["S check none.sinter", 1],
    ["S chekc", 2],
    ["S inspect text.txt", 3],
  ] as const)("%s: exit code %i", async (command, right) => {
    expect((await shell(command, node)).code).toBe(right);
  });
});

describe("the table of exit codes", () => {
  it("has every code once, and help shows it", () => {
    expect(exitMeanings.map(({ code }) => code)).toEqual(Object.values(exitCodes));
    expect(new Set(Object.values(exitCodes)).size).toBe(Object.keys(exitCodes).length);
    for (const { code, means, short } of exitMeanings) {
      expect(exitCodesText()).toContain(`${String(code).padStart(3)}  ${means}`);
      expect(overview()).toContain(`${code} ${short}`);
    }
  });
  it("sinter help exit-codes", async () => {
    expect(await shell("S help exit-codes")).toEqual({ code: 0, out: exitCodesText(), err: "" });
  });
});
