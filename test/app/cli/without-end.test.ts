/**
 * Inputs that never end, and those from which nothing comes: limits before reading, a message after a few
 * seconds, an error after some time.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { main } from "../../../app/cli/main.ts";
import { readText, type Patience } from "../../../app/cli/terminal/input.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { SINTER } from "../../support/paths.ts";

const SPEC =
  "model m {\n  vocab 256   context 32   width 16   layers 1   heads 2\n  embed token + position\n  " +
  "layer {\n    x += mlp(layernorm(x))\n  }\n  output linear(layernorm(x))\n  tokenizer bytes\n  train " +
  "{ batch 4  context 16  steps 2  eval_every 0 }\n}\n";
const quick: Patience = { say: 50, writer: 200, silence: 300 };

let folder: string;
let socket: Server;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sinter-endless-"));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  writeFileSync(join(folder, "huge"), "");
  truncateSync(join(folder, "huge"), 2 ** 32); // a hole: takes no place on the disk
  for (const name of ["huge.json", "huge.sinter", "huge.bin"])
    execFileSync("ln", ["-s", "huge", join(folder, name)]);
  writeFileSync(join(folder, "m.sinter"), SPEC);
  socket = createServer().listen(join(folder, "socket"));
  await new Promise((done) => socket.on("listening", done));
});
afterAll(() => {
  socket.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<{ code: number; err: string; ms: number }> {
  let err = "";
  const began = performance.now();
  const code = await main(args, {
    out: () => {},
    err: (text) => void (err += text),
    tty: false,
    columns: 100,
    cwd: folder,
  });
  return { code, err, ms: performance.now() - began };
}

/** The arguments of every verb that takes files; `FILE` marks the place. */
const arguments_: readonly (readonly string[])[] = [
  ["check", "FILE"],
  ["fmt", "FILE"],
  ["explain", "./FILE"],
  ["compile", "FILE"],
  ["profile", "FILE"],
  ["tune", "FILE"],
  ["train", "FILE"],
  ["train", "m.sinter", "--data", "FILE"],
  ["train", "m.sinter", "--set", "tokenizer=json", "--tokenizer", "FILE"],
  ["train", "m.sinter", "--tune", "FILE"],
  ["tokenizer", "train", "FILE"],
  ["tokenizer", "encode", "-t", "FILE", "x"],
  ["sample", "m", "--prompts", "FILE"],
  ["import", "FILE", "-o", "out"],
  ["inspect", "FILE"],
  ["tokenizer", "encode", "-t", "FILE.json", "x"],
  ["import", "FILE.bin", "-o", "out"],
  ["import", "hf", "-o", "out", "--tokenizer", "FILE.json"],
];

describe.skipIf(!existsSync("/dev/zero"))(
  "a device without an end, a file of 4 GiB, a socket: refused at once by every verb",
  () => {
    const kinds = {
      "/dev/zero": "/dev/zero",
      "a file of 4 GiB": "huge",
      "a socket": "socket",
      "a folder": ".",
    } as const;
    for (const [kind, path] of Object.entries(kinds))
      test.each(arguments_.filter((args) => !(kind === "a file of 4 GiB" && args[0] === "inspect")))(
        `${kind}: %s %s %s %s %s`,
        async (...args) => {
          const { code, err, ms } = await run(
            ...args
              .filter((a) => a !== undefined)
              .map((a) =>
                a.endsWith("FILE")
                  ? path.startsWith("/")
                    ? path
                    : a.replace("FILE", path)
                  : path === "huge"
                    ? a.replace("FILE", path)
                    : a,
              ),
          );
          expect([1, 2, 3], err).toContain(code);
          expect(err).toMatch(/^error: [^\n]+\n(help: |$)/m);
          expect(err).not.toMatch(/bug of ours/);
          expect(ms).toBeLessThan(20_000);
        },
      );
  },
);

describe("a pipe with a name", () => {
  it("that nobody writes into: a word, then an error", () => {
    let said = "";
    expect(() =>
      readText("pipe", { cwd: folder, err: (text) => void (said += text) }, 100, { patience: quick }),
    ).toThrow(/nothing came from pipe in 0.2 s: no program writes into this pipe/);
    expect(said).toBe("waiting for input from pipe …\n");
  });
  it("whose writer is silent: an error too", () => {
    const reader = openSync(join(folder, "pipe"), "r+"); // both ends: a writer is there
    try {
      expect(() => readText("pipe", { cwd: folder, err: () => {} }, 100, { patience: quick })).toThrow(
        /nothing came from pipe in 0.3 s: its writer is silent/,
      );
      writeSync(reader, "x".repeat(101));
      expect(() => readText("pipe", { cwd: folder, err: () => {} }, 100, { patience: quick })).toThrow(
        /pipe goes on beyond the 100 bytes that are read/,
      );
    } finally {
      closeSync(reader);
    }
  });
  it("into which a program writes later is read to its end", async () => {
    const writer = spawn("sh", ["-c", `sleep 0.3; printf 'model m {' > pipe; sleep 0.1`], { cwd: folder });
    const { code, err } = await run("check", "pipe");
    expect(code).toBe(1);
    expect(err).toContain("pipe:1:"); // what was written, and no more
    await new Promise((done) => (writer.exitCode === null ? writer.on("exit", done) : done(0)));
  });
  it.each([
    ["tokenizer", "encode", "-t", "pipe", "x"],
    ["import", "pipe", "-o", "out"],
    ["inspect", "pipe"],
  ])("%s %s %s: a file that is read from any place in it can not be a pipe", async (...args) => {
    const { code, err, ms } = await run(...args);
    expect([code, /pipe/.test(err)]).toEqual([1, true]);
    expect(ms).toBeLessThan(5000);
  });
});

describe("standard input", () => {
  const piped = (command: string): Promise<{ code: number | null; out: string; err: string }> =>
    new Promise((done) => {
      const child = spawn("sh", ["-c", command], {
        cwd: folder,
        env: { ...process.env, NODE: process.execPath, SINTER },
      });
      let out = "";
      let err = "";
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
      child.on("close", (code) => done({ code, out, err }));
    });
  it("without an end is refused at its limit", async () => {
    expect(await piped('yes | "$NODE" "$SINTER" check -')).toMatchObject({
      code: 1,
      err: expect.stringContaining("standard input goes on beyond the 4194304 bytes") as string,
    });
    expect(await piped('"$NODE" "$SINTER" check - < /dev/zero')).toMatchObject({
      code: 1,
      err: expect.stringContaining("a device that has no end") as string,
    });
  });
  it("that comes late is waited for, and that is said", async () => {
    const late = await piped(
      '(until grep -q waiting said; do sleep 0.1; done; printf "model a{width 5}") 2>/dev/null | ' +
        '"$NODE" "$SINTER" fmt - 2> said; cat said >&2',
    );
    expect(late).toEqual({
      code: 0,
      out: "model a { width 5 }\n",
      err: "waiting for input from standard input …\n",
    });
  });
  it.each([process.execPath, "/usr/bin/node"].filter((node) => existsSync(node)))(
    "<(command) is read, under %s",
    async (node) => {
      expect(
        await piped(
          `NODE=${node}; bash -c '"$0" "$1" fmt --check <(printf "model a{width 5}") <(printf "model b ` +
            `{ width 5 }\n")' "$NODE" "$SINTER"`,
        ),
      ).toMatchObject({
        code: 1,
        out: expect.stringMatching(/^\/dev\/fd\/\d+ is not in its canonical layout\n$/) as string,
        err: "",
      });
    },
  );
  it("is a text to learn from: --data -, recorded so, and asked for again", async () => {
    const text = "The quick brown fox jumps over the lazy dog.\\n";
    const from = `(for i in 1 2 3 4 5 6 7 8 9; do printf '${text}'; done)`;
    expect(
      await piped(`${from} | "$NODE" "$SINTER" train m.sinter --data - --out r --workers 1`),
    ).toMatchObject({ code: 0 });
    expect(
      JSON.parse(new TextDecoder().decode(await nodeFiles().read(join(folder, "r/run.json")))),
    ).toMatchObject({ data: { path: "-" } });
    const again = '"$NODE" "$SINTER" train --resume --out r --steps 4 --workers 1';
    expect(await piped(again)).toMatchObject({
      code: 1,
      err: expect.stringContaining("came from standard input, which is not kept") as string,
    });
    expect(await piped('"$NODE" "$SINTER" eval r')).toMatchObject({
      code: 1,
      err: expect.stringContaining("--data FILE, or --data -") as string,
    });
    expect(await piped(`echo other text | ${again} --data -`)).toMatchObject({
      code: 1,
      err: expect.stringContaining("not the one that this run began with") as string,
    });
    expect(await piped(`${from} | ${again} --data -`)).toMatchObject({ code: 0 });
    expect(await piped(`${from} | "$NODE" "$SINTER" eval r --data - --json`)).toMatchObject({
      code: 0,
      out: expect.stringContaining('"part":"held-out"') as string,
    });
  });
});
