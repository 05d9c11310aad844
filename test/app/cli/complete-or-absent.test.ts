/**
 * What a verb writes is complete or absent: on a full disk, after an interruption, and where something is
 * there already.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { createText, openOutput, writeOutput } from "../../../app/cli/terminal/files.ts";
import { wholeFolder } from "../../../app/cli/terminal/whole-folder.ts";
import { inside as runInside } from "../../support/inside.ts";
import { ownProcess, type Ended } from "../../support/own-process.ts";
import { SINTER } from "../../support/paths.ts";

const SPEC = `model m {
  vocab 256   context 64   width 16   layers 1   heads 2
  embed token + position
  layer {
    x += attention(layernorm(x))
    x += mlp(layernorm(x))
  }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 4  context 16  steps 2  eval_every 0 }
}
`;
let folder: string;
const at = (name: string): string => join(folder, name);
const read = (name: string): string => readFileSync(at(name), "utf8");
/** Temporary files that were left behind. */
const left = (): string[] =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".tmp"));

/**
 * `limit`: the KiB that a file may have, which acts as a full disk: writing more fails, and no signal is
 * sent.
 */
async function sinter(
  args: readonly string[],
  {
    limit,
    kill,
  }: {
    readonly limit?: number;
    readonly kill?: { readonly when: () => boolean; readonly signal: NodeJS.Signals };
  } = {},
): Promise<Ended> {
  const limits = limit === undefined ? "" : `ulimit -f ${2 * limit}; `;
  const script = `trap '' XFSZ; ${limits}exec "$@"`;
  const shell = ["-c", script, "sh", process.execPath, SINTER, ...args];
  const { child, ended } = ownProcess("sh", shell, { cwd: folder });
  const look =
    kill &&
    setInterval(() => {
      if (!kill.when()) return;
      clearInterval(look);
      child.kill(kill.signal);
    }, 1);
  return ended.finally(() => clearInterval(look));
}
async function inside(...args: string[]): Promise<Omit<Ended, "signal">> {
  return runInside(args, folder);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sinter-outputs-"));
  writeFileSync(at("m.sinter"), SPEC);
  writeFileSync(at("text.txt"), Array.from({ length: 4000 }, (_, i) => `word${(i * 7919) % 3001} `).join(""));
  expect(
    await sinter([
      "train",
      "m.sinter",
      "--data",
      "text.txt",
      "--out",
      "run",
      "--workers",
      "1",
      "--target",
      "simd",
    ]),
  ).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a disk that takes no more", () => {
  test.each([
    ["a tokenizer", ["tokenizer", "train", "text.txt", "--vocab", "2000", "-o", "new.json"], "new.json", 4],
    ["a bundle", ["compile", "m.sinter", "-o", "new-bundle", "--target", "simd"], "new-bundle", 4],
    ["an exported folder", ["export", "run", "--to", "hf", "-o", "new-hf"], "new-hf", 8],
    ["an exported file", ["export", "run", "--to", "gguf", "-o", "new.gguf"], "new.gguf", 8],
    ["an imported model", ["import", "hf", "-o", "new-run", "--target", "simd"], "new-run", 4],
    ["a spec", ["init", "new.sinter"], "new.sinter", 0],
    [
      "prompts' answers",
      ["sample", "run", "--prompts", "prompts.txt", "-n", "2", "--workers", "1", "-o", "new.jsonl"],
      "new.jsonl",
      1,
    ],
  ] as const)("%s is absent then, and the message says why", async (_, args, path, limit) => {
    writeFileSync(at("prompts.txt"), "word1\n".repeat(40));
    if (args[0] === "import")
      expect(await sinter(["export", "run", "--to", "hf", "-o", "hf", "--force"])).toMatchObject({ code: 0 });
    const { code, err } = await sinter(args, { limit });
    expect(code, err).toBe(1);
    expect(err).toMatch(/^error: cannot write [^\n]*(may not grow|EFBIG|too large|no more bytes)/m);
    expect(existsSync(at(path))).toBe(false);
    expect(left()).toEqual([]);
  });
  it("what was there before stays as it was", async () => {
    for (const [name, args] of [
      ["old.json", ["tokenizer", "train", "text.txt", "--vocab", "2000", "-o", "old.json", "--force"]],
      ["old.sinter", ["init", "old.sinter", "--force"]],
    ] as const) {
      writeFileSync(at(name), "before");
      expect(await sinter(args, { limit: 0 })).toMatchObject({ code: 1 });
      expect(read(name)).toBe("before");
    }
    expect(await sinter(["compile", "m.sinter", "-o", "old-bundle", "--target", "simd"])).toMatchObject({
      code: 0,
    });
    const before = read("old-bundle/manifest.json");
    expect(
      await sinter(["compile", "m.sinter", "-o", "old-bundle", "--target", "simd", "--set", "width=32"], {
        limit: 4,
      }),
    ).toMatchObject({ code: 1 });
    expect(read("old-bundle/manifest.json")).toBe(before);
    expect(left()).toEqual([]);
  });
});

describe("an interruption", () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "%s while a file is written leaves neither it nor a part",
    async (signal) => {
      const end = await sinter(
        ["sample", "run", "--prompts", "many.txt", "-n", "30", "--workers", "1", "-o", "cut.jsonl"],
        {
          kill: { signal, when: () => readdirSync(folder).some((name) => name.startsWith(".cut.jsonl")) },
        },
      );
      expect(existsSync(at("cut.jsonl"))).toBe(false);
      expect(left()).toEqual([]);
      if (signal === "SIGINT") {
        expect(end).toMatchObject({ code: 5, err: expect.stringContaining("cut.jsonl.part") as string });
        rmSync(at("cut.jsonl.part"));
      } else expect(end.signal).toBe(signal);
    },
  );
  beforeAll(() => writeFileSync(at("many.txt"), "word1 word2\n".repeat(3000)));
});

describe("--force, wherever something is there already", () => {
  const cases = [
    ["tokenizer", ["tokenizer", "train", "text.txt", "--vocab", "300", "-o", "there.json"], "there.json"],
    ["init", ["init", "there.sinter"], "there.sinter"],
    ["export", ["export", "run", "--to", "gguf", "-o", "there.gguf"], "there.gguf"],
    [
      "prompts' answers",
      ["sample", "run", "--prompts", "one.txt", "-n", "1", "--workers", "1", "-o", "there.jsonl"],
      "there.jsonl",
    ],
  ] as const;
  test.each(cases)("%s", async (_, args, path) => {
    writeFileSync(at("one.txt"), "word1\n");
    writeFileSync(at(path), "before");
    const refused = await inside(...args);
    expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/already[\s\S]*--force/) as string });
    expect(read(path)).toBe("before");
    expect(await inside(...args, "--force")).toMatchObject({ code: 0 });
    expect(read(path)).not.toBe("before");
    expect(left()).toEqual([]);
  });
  it("a run is replaced by a run, and by an imported model; what else lies in the folder stays", async () => {
    const train = [
      "train",
      "m.sinter",
      "--data",
      "text.txt",
      "--out",
      "again",
      "--workers",
      "1",
      "--target",
      "simd",
    ];
    mkdirSync(at("again"));
    writeFileSync(at("again/notes.txt"), "mine");
    expect(await sinter([...train, "--steps", "5"])).toMatchObject({ code: 0 });
    expect(await inside(...train)).toMatchObject({
      code: 1,
      err: expect.stringContaining("--force") as string,
    });
    expect(await inside(...train, "--force", "--resume")).toMatchObject({ code: 2 });
    expect(await inside("train", "--from", "again", "--out", "again", "--force")).toMatchObject({ code: 2 });
    expect(await inside(...train, "--data", "none.txt", "--force")).toMatchObject({ code: 1 });
    expect(existsSync(at("again/step-000005.safetensors"))).toBe(true); // a mistake costs nothing
    expect(await sinter([...train, "--force"])).toMatchObject({ code: 0 });
    expect(readdirSync(at("again")).filter((name) => name.endsWith(".safetensors"))).toEqual([
      "step-000002.safetensors",
    ]);
    expect(await sinter(["export", "again", "--to", "hf", "-o", "again-hf"])).toMatchObject({ code: 0 });
    expect(await inside("import", "again-hf", "-o", "again")).toMatchObject({
      code: 1,
      err: expect.stringContaining("--force") as string,
    });
    expect(await sinter(["import", "again-hf", "-o", "again", "--force", "--target", "simd"])).toMatchObject({
      code: 0,
    });
    expect(readdirSync(at("again")).filter((name) => name.endsWith(".safetensors"))).toEqual([
      "step-000000.safetensors",
    ]);
    expect(read("again/notes.txt")).toBe("mine");
  });
});

describe("the writing path", () => {
  it("keeps links and modes, writes through to what is no file, refuses folders", () => {
    writeFileSync(at("real.txt"), "a", { mode: 0o640 });
    symlinkSync("real.txt", at("link.txt"));
    writeOutput(at("link.txt"), "b");
    expect([
      read("real.txt"),
      lstatSync(at("link.txt")).isSymbolicLink(),
      statSync(at("real.txt")).mode & 0o777,
    ]).toEqual(["b", true, 0o640]);
    writeOutput("/dev/null", "c");
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
    expect(() => writeOutput(folder, "d")).toThrow(/it is a folder/);
    expect(() => createText("link.txt", folder, "e")).toThrow(/it exists already/);
    expect(() => createText("no/such/x", folder, "e")).toThrow(/there is no such folder/);
  });
  it("of two that write at once, one is refused", () => {
    const first = openOutput("raced.txt", folder);
    const second = openOutput("raced.txt", folder);
    first.write("first");
    second.write("second");
    first.done();
    expect(() => second.done()).toThrow(/exists already/);
    expect([read("raced.txt"), left()]).toEqual(["first", []]);
  });
  it("a folder: its key goes first and comes last; after a failure nothing has changed", async () => {
    const fill =
      (text: string, fails = false) =>
      (temporary: string): void => {
        mkdirSync(join(temporary, "inner"));
        writeFileSync(join(temporary, "inner", "part"), text);
        writeFileSync(join(temporary, "key"), text);
        if (fails) throw Object.assign(new Error(), { code: "ENOSPC" });
      };
    await wholeFolder(at("whole/deep"), "key", fill("one"));
    writeFileSync(at("whole/deep/other"), "mine");
    await expect(wholeFolder(at("whole/deep"), "key", fill("two", true))).rejects.toThrow(/the disk is full/);
    expect([read("whole/deep/key"), read("whole/deep/inner/part")]).toEqual(["one", "one"]);
    await wholeFolder(at("whole/deep"), "key", fill("two"));
    expect(["key", "inner/part", "other"].map((name) => read(`whole/deep/${name}`))).toEqual([
      "two",
      "two",
      "mine",
    ]);
    expect(left()).toEqual([]);
  });
});
