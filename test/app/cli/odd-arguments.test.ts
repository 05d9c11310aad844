/**
 * Odd arguments to every verb: the result is success or a user's error, and never a bug of ours (exit code
 * 70), a stack trace or a hang.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { main } from "../../../app/cli/main.ts";

const SPEC =
  "model m {\n  vocab 64   context 32   width 16   layers 1   heads 2\n  embed token + position\n  " +
  "layer {\n    x += mlp(layernorm(x))\n  }\n  output linear(layernorm(x))\n  tokenizer characters\n  " +
  "train { batch 4  context 16  steps 2  eval_every 0 }\n}\n";
let folder: string;
async function run(...args: string[]): Promise<{ code: number; err: string }> {
  let err = "";
  const code = await main(args, {
    out: () => {},
    err: (text) => void (err += text),
    tty: false,
    columns: 80,
    cwd: folder,
  });
  return { code, err };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sinter-odd-"));
  const put = (name: string, content: string | Uint8Array): void =>
    writeFileSync(join(folder, name), content);
  put("m.sinter", SPEC);
  put("text", "hello there, this is some text\n".repeat(50));
  put(
    "bin",
    Uint8Array.from({ length: 5000 }, (_, i) => (i * 97 + (i >> 3)) & 255),
  );
  put("empty", "");
  put("deep.json", "[".repeat(200_000));
  put("deep2.json", `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`);
  for (const [name, value] of Object.entries({ number: "5", null: "null", list: "[]", object: "{}" }))
    put(`${name}.json`, value);
  put("half.jsonl", '{"prompt":"\\ud800"}\n{"prompt":"\\u0000"}\n');
  put("deep.jsonl", `${"[".repeat(100_000)}\n`);
  mkdirSync(join(folder, "dir"));
  expect(
    await run(
      "train",
      "m.sinter",
      "--data",
      "text",
      "--out",
      "r",
      "--steps",
      "1",
      "--workers",
      "1",
      "--target",
      "simd",
    ),
  ).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const odd = [
  "",
  "0",
  "-1",
  "1e9",
  "NaN",
  "\u2028",
  "\0",
  "../..",
  "dir",
  "empty",
  "bin",
  "text",
  "m.sinter",
  "r",
  "deep.json",
  "deep2.json",
  "number.json",
  "null.json",
  "list.json",
  "object.json",
  "half.jsonl",
  "deep.jsonl",
  "a".repeat(5000),
  "\ud800",
  "--",
  "🙂",
];
let names = 0;
const fresh = (): string => `new-${names++}`;

const verbs: Readonly<Record<string, (odd: string) => readonly string[]>> = {
  check: (o) => ["check", o],
  "check --set": (o) => ["check", "m.sinter", "--set", `width=${o}`],
  "check --memory-limit": (o) => ["check", "m.sinter", "--memory-limit", o],
  explain: (o) => ["explain", o],
  "explain a file": (o) => ["explain", `./${o}`],
  fmt: (o) => ["fmt", "--check", o],
  compile: (o) => ["compile", "m.sinter", "-o", fresh(), "--target", o],
  inspect: (o) => ["inspect", o],
  import: (o) => ["import", o, "-o", fresh()],
  "tokenizer encode -t": (o) => ["tokenizer", "encode", "-t", o, "x"],
  "tokenizer encode": (o) => ["tokenizer", "encode", "-t", "bytes", o, ""],
  "tokenizer decode": (o) => ["tokenizer", "decode", "-t", "r", o, "1"],
  "tokenizer train": (o) => ["tokenizer", "train", o, "-o", fresh()],
  eval: (o) => ["eval", o],
  "eval --data": (o) => ["eval", "r", "--data", o],
  "eval --context": (o) => ["eval", "r", "--context", o],
  sample: (o) => ["sample", o],
  "sample -p": (o) => ["sample", "r", "-p", o, "-n", "2"],
  "sample --prompts": (o) => ["sample", "r", "--prompts", o, "-n", "2"],
  "sample --stop": (o) => ["sample", "r", "-n", "2", "--stop", o],
  "sample --temp": (o) => ["sample", "r", "-n", "2", "--temp", o],
  "sample --top-k": (o) => ["sample", "r", "-n", "2", "--top-k", o],
  "sample --seed": (o) => ["sample", "r", "-n", "2", "--seed", o],
  "sample --weights": (o) => ["sample", "r", "-n", "2", "--weights", o],
  "export -o": (o) => ["export", "r", "--to", "hf", "-o", o],
  export: (o) => ["export", o, "--to", "hf", "-o", fresh()],
  "export --to": (o) => ["export", "r", "--to", o, "-o", fresh()],
  train: (o) => ["train", o, "--out", fresh(), "--data", "empty"],
  "train --from": (o) => ["train", "--from", o, "--out", fresh(), "--data", "empty"],
  "train --resume": (o) => ["train", "--resume", "--out", o, "--data", "empty"],
  "train --tokenizer": (o) => [
    "train",
    "m.sinter",
    "--set",
    "tokenizer=json",
    "--tokenizer",
    o,
    "--out",
    fresh(),
  ],
  "train --tune": (o) => ["train", "m.sinter", "--tune", o, "--data", "empty", "--out", fresh()],
  "train --set": (o) => ["train", "m.sinter", "--set", o, "--data", "empty", "--out", fresh()],
  init: (o) => ["init", `dir/${o}`],
  help: (o) => ["help", o],
  "no verb": (o) => [o],
};

test.each(Object.entries(verbs))("%s", async (_, args) => {
  for (const one of odd) {
    const { code, err } = await run(...args(one));
    expect([code, args(one).map((a) => a.slice(0, 60)), err]).not.toEqual([
      70,
      expect.anything(),
      expect.anything(),
    ]);
    expect(err).not.toMatch(/^ {4}at /m);
  }
});
