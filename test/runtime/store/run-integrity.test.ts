/**
 * A run's folder holds what the run began with, or it is refused: record, spec, bundle, tokenizer. Settings
 * are changed by flags only.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { trainFields } from "../../../compiler/2-check/settings.ts";
import { parseLog } from "../../../runtime/train/log.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { parseRecord, settingChecks } from "../../../runtime/store/run-record.ts";
import { writeFolder } from "../../support/counting-model.ts";
import { flipAll } from "../../long/flips.ts";
import { inside, type Said } from "../../support/inside.ts";
import { sinter as apart } from "../../long/sinter.ts";
import { checkpointName, resumeArgs, smallRun, STEPS } from "../../long/small-run.ts";
import { makeOldRecord } from "../../support/old-record.ts";

let at: string;
let whole: string;
let half: string;
const copy = (): string => join(at, "copy");
beforeAll(async () => {
  at = mkdtempSync(join(tmpdir(), "sinter-integrity-"));
  ({ whole, half } = await smallRun(join(at, "run")));
});
afterAll(() => rmSync(at, { recursive: true, force: true }));
beforeEach(() => {
  rmSync(copy(), { recursive: true, force: true });
  cpSync(half, copy(), { recursive: true });
});

const sinter = (...args: string[]): Promise<Said> => inside(args, at);
const evaluate = (): Promise<Said> => sinter("eval", "copy", "--workers", "1", "--json");
const resume = (...more: string[]): Promise<Said> => sinter(...resumeArgs("copy"), ...more);
const record = (): Record<string, unknown> =>
  JSON.parse(readFileSync(join(copy(), "run.json"), "utf8")) as Record<string, unknown>;
const edit = (file: string, change: (text: string) => string): void => {
  const path = join(copy(), file);
  const before = readFileSync(path, "utf8");
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(path, after);
};
const lastOf = (folder: string): Buffer => readFileSync(join(folder, checkpointName(STEPS)));

/** Every verb that opens a run. */
const verbs: Readonly<Record<string, () => Promise<Said>>> = {
  eval: evaluate,
  sample: () => sinter("sample", "copy", "-p", "The", "--workers", "1"),
  chat: async () => {
    // its standard input ends at once
    const { code, out, err } = await apart(["chat", "copy", "--workers", "1"], { cwd: at });
    return { code: code ?? -1, out, err: err.replace(/note: this model brings no chat format[^\n]*\n/, "") };
  },
  export: () => sinter("export", "copy", "--to", "gguf", "-o", "out.gguf", "--force"),
  inspect: () => sinter("inspect", "copy"),
  tokenizer: () => sinter("tokenizer", "encode", "-t", "copy", "The"),
  resume,
  from: () =>
    sinter(
      "train",
      "--from",
      "copy",
      "--data",
      "run/text.txt",
      "--out",
      "begun",
      "--force",
      "--steps",
      "1",
      "--target",
      "simd",
      "--workers",
      "1",
    ),
};

/** Verbs that take a tokenizer from a run. */
describe("a run that a tokenizer is taken from", () => {
  const doors: Readonly<Record<string, () => Promise<Said>>> = {
    train: () => {
      const spec = readFileSync(join(at, "run/small.sinter"), "utf8");
      writeFileSync(join(at, "json.sinter"), spec.replace("tokenizer characters", "tokenizer json"));
      const paths = ["--data", "run/text.txt", "--tokenizer", "copy", "--out", "never"];
      return sinter("train", "json.sinter", ...paths);
    },
    import: () => {
      writeFolder(join(at, "published"), { vocab: 32, next: (token) => (token + 1) % 32 }, {});
      return sinter("import", "published", "-o", "never", "--tokenizer", "copy");
    },
  };

  it.each(Object.keys(doors))("%s refuses it where a file of it has changed", async (door) => {
    edit("tokenizer/characters.json", (text) => text.replace('"q"', '"Q"'));
    expect(await doors[door]!()).toMatchObject({
      code: 3,
      err: expect.stringMatching(/characters\.json is not the one that the run began with/) as unknown,
    });
    expect(existsSync(join(at, "never"))).toBe(false);
  });
});

describe("a file that is not the one that the run began with", () => {
  const changes: Readonly<
    Record<string, readonly [file: string, change: (text: string) => string, says: RegExp]>
  > = {
    "a setting in run.json": [
      "run.json",
      (text) => text.replace('"lr": 0.01', '"lr": 0.02'),
      /run\.json: its hash differs.*--set NAME=VALUE/,
    ],
    "the held-out share in run.json": [
      "run.json",
      (text) => text.replace('"heldOut": 0.1', '"heldOut": 0.2'),
      /run\.json: its hash differs/,
    ],
    "the tokenizer": [
      "tokenizer/characters.json",
      (text) => text.replace('"q"', '"Q"'),
      /characters\.json is not the one that the run began with: its hash differs/,
    ],
    "the spec": [
      "spec.sinter",
      (text) => text.replace("lr 1e-2", "lr 2e-2"),
      /spec\.sinter is not the one that the run began with/,
    ],
    "the manifest": [
      "bundle/manifest.json",
      (text) => text.replace('"offset": 4', '"offset": 5'),
      /manifest\.json is not the one/,
    ],
    "a longer file": [
      "tokenizer/characters.json",
      (text) => `${text} `,
      /characters\.json is not the one that the run began with: it has not \d+ bytes/,
    ],
  };
  for (const [name, [file, change, says]] of Object.entries(changes))
    it(`${name}: refused by every verb, with exit code 3`, async () => {
      edit(file, change);
      for (const [verb, run] of Object.entries(verbs))
        expect(await run(), verb).toMatchObject({
          code: 3,
          err: expect.stringMatching(says) as unknown,
        });
    });

  it("is missed when it is gone", async () => {
    rmSync(join(copy(), "tokenizer", "characters.json"));
    expect(await evaluate()).toMatchObject({
      code: 3,
      err: expect.stringMatching(
        /characters\.json is not the one that the run began with: it is missing/,
      ) as unknown,
    });
  });

  it("white space and the order of keys mean nothing", async () => {
    const { model, ...rest } = record();
    writeFileSync(join(copy(), "run.json"), JSON.stringify({ ...rest, model }));
    expect(await evaluate()).toMatchObject({ code: 0, err: "" });
  });

  it("one bit: refused, or an older checkpoint with a line, or no difference", async () => {
    const { tally, tried, findings } = await flipAll(join(at, "flips"), 0.05, new AbortController().signal);
    expect(findings).toEqual([]);
    expect(tried).toBeGreaterThan(300);
    for (const kind of ["run.json", "manifest", "wasm", "spec", "tokenizer"])
      expect(tally[kind], kind).toMatchObject({ "as without it": 0 });
  });
});

describe("run.json", () => {
  const parse = (value: unknown): Promise<unknown> =>
    parseRecord(
      new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)),
      "run.json",
    );
  const wrong: readonly (readonly [string, (r: Record<string, unknown>) => unknown, RegExp])[] = [
    ["a field of a newer release", (r) => ({ ...r, colour: 1 }), /colour is not known to this release/],
    [
      "a newer version",
      (r) => ({ ...r, version: 3, colour: 1 }),
      /has version 3; this release reads versions 1 and 2/,
    ],
    ["no version", ({ version: _, ...r }) => r, /version is undefined/],
    [
      "a text for a number",
      (r) => ({ ...r, settings: { ...(r["settings"] as object), lr: "x" } }),
      /settings\.lr is "x", not a number above 0, at most 10/,
    ],
    [
      "a size beyond all",
      (r) => ({ ...r, settings: { ...(r["settings"] as object), batch: 1e308 } }),
      /settings\.batch is 1e\+308, not a whole number/,
    ],
    ["no settings", ({ settings: _, ...r }) => r, /settings is undefined|settings is missing/],
    [
      "a setting that there is not",
      (r) => ({ ...r, settings: { ...(r["settings"] as object), momentum: 1 } }),
      /settings\.momentum is not known/,
    ],
    ["__proto__", (r) => JSON.stringify(r).replace("{", '{"__proto__":{},'), /__proto__ is not known/],
    ["null", () => null, /no JSON object/],
    ["a list", () => [], /no JSON object/],
    ["no JSON", () => "{", /no JSON object/],
    ["no UTF-8", () => "\ud800", /no JSON object/],
    [
      "deeper than any record",
      () => `{"version":2,"changes":${"[".repeat(200_000)}${"]".repeat(200_000)}}`,
      /run\.json: /,
    ],
    [
      "a path that leads elsewhere",
      (r) => ({ ...r, files: { "../x": { bytes: 1, sha256: "0".repeat(64) } } }),
      /hash differs/,
    ],
  ];
  for (const [name, change, says] of wrong)
    it(`${name}: refused by name`, async () => {
      await expect(parse(change(record()))).rejects.toMatchObject({
        kind: "corrupt",
        message: expect.stringMatching(says) as unknown,
      });
    });

  it("takes the same ranges as a spec", () => {
    const name = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    expect(Object.keys(settingChecks).map(name).sort()).toEqual(Object.keys(trainFields).sort());
    for (const [field, check] of Object.entries(settingChecks)) {
      const row = trainFields[name(field) as keyof typeof trainFields];
      if (row.kind === "word") {
        const absent: readonly string[] = ["text", "none", "adamw"]; // what a record says by saying nothing
        for (const word of row.words)
          if (!absent.includes(word)) expect(check(word, field), field).toBeUndefined();
        expect(check("nonsense", field)).toMatch(field);
        continue;
      }
      const { min, max, kind, above } = row;
      expect(check(max, field), field).toBeUndefined();
      expect(check(min, field) === undefined, field).toBe(above !== true);
      for (const beyond of [kind === "whole" ? max + 1 : max * 1.01, min - 1e-9, NaN, Infinity, -1])
        expect(check(beyond, `${field} ${beyond}`)).toMatch(field);
      expect(check(0.5, field) === undefined).toBe(kind === "real");
    }
  });
});

describe("a run of an earlier release", () => {
  it("opens in every verb, with one line; from a resume on it has hashes", async () => {
    const fresh = (): void => {
      rmSync(copy(), { recursive: true, force: true });
      cpSync(half, copy(), { recursive: true });
    };
    for (const [verb, run] of Object.entries(verbs)) {
      fresh();
      const now = await run();
      expect(now.err, verb).not.toContain("earlier release");
      fresh();
      makeOldRecord(copy());
      const { code, err } = await run();
      expect(code, verb).toBe(now.code);
      expect(err.match(/note: \S+run\.json is of an earlier release[^\n]*\n/g), verb).toHaveLength(1);
      if (verb !== "resume") continue;
      expect(lastOf(copy()).equals(lastOf(whole))).toBe(true);
      expect(record()).toMatchObject({ version: 2 });
      expect(await evaluate()).toMatchObject({ code: 0, err: "" });
    }
  });

  it("has a manifest that is checked", async () => {
    makeOldRecord(copy());
    edit("bundle/manifest.json", (text) => text.replace('"offset": 4', '"offset": 5'));
    expect(await evaluate()).toMatchObject({
      code: 3,
      err: expect.stringMatching(/manifest\.json is not the one/) as unknown,
    });
  });
});

describe("settings at --resume", () => {
  const changed: readonly (readonly [string[], string, object[]])[] = [
    [["--set", "lr=0.001"], "lr 0.01 → 0.001", [{ step: 6, setting: "lr", from: 0.01, to: 0.001 }]],
    [
      ["--set", "train.schedule=constant", "--steps", "12"],
      "schedule cosine → constant, steps 10 → 12",
      [
        { step: 6, setting: "schedule" },
        { step: 6, setting: "steps" },
      ],
    ],
  ];
  for (const [flags, says, recorded] of changed)
    it(`${flags.join(" ")}: said, recorded, and hashed`, async () => {
      const { code, out, err } = await resume(...flags);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      const lines = out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { kind: string; step: number; lr: number });
      expect(lines.find(({ kind }) => kind === "settings")).toMatchObject({ step: 6 });
      expect(record()["changes"]).toMatchObject(recorded);
      expect(await evaluate()).toMatchObject({ code: 0, err: "" });
      rmSync(copy(), { recursive: true });
      cpSync(half, copy(), { recursive: true });
      const plain = await sinter("train", "--resume", "--out", "copy", "--workers", "1", ...flags);
      expect(plain.out).toContain(`settings after step 6: ${says}\n`);
    });

  it("other settings are other weights, and the same ones are none", async () => {
    expect((await resume("--set", "lr=0.01", "--set", "width=16", "--seed", "1337")).code).toBe(0);
    expect(lastOf(copy()).equals(lastOf(whole))).toBe(true);
    expect(record()["changes"]).toBeUndefined();
  });

  const refused: readonly (readonly [string[], number, RegExp])[] = [
    [["--set", "width=32"], 1, /width is 16 in this run, and cannot become 32: the weights have it/],
    [
      ["--set", "batch=4"],
      1,
      /batch is 2 in this run, and cannot become 4: it decides which tokens a step sees/,
    ],
    [["--set", "train.context=8"], 1, /context is 16 in this run/],
    [
      ["--seed", "7"],
      1,
      /seed is 1337 in this run, and cannot become 7: the weights and the order of the data were drawn from it/,
    ],
    [["--set", "decay=0"], 1, /decay is 0\.1 in this run/],
    [["--set", "learning_rate=1"], 2, /no setting learning_rate[^]*Did you mean lr\?/],
    [["--set", "lr=fast"], 2, /lr takes a number above 0, at most 10, not `fast`/],
    [["--set", "lr=11"], 2, /lr takes a number/],
    [["--set", "schedule=slow"], 2, /schedule is one of cosine/],
  ];
  for (const [flags, code, says] of refused)
    it(`${flags.join(" ")}: refused with the reason, and nothing is written`, async () => {
      const before = readFileSync(join(copy(), "run.json"), "utf8");
      expect(await resume(...flags)).toMatchObject({ code, err: expect.stringMatching(says) as unknown });
      expect(readFileSync(join(copy(), "run.json"), "utf8")).toBe(before);
      expect(readdirSync(copy())).not.toContain(checkpointName(STEPS));
    });

  it("a spec that has changed changes nothing, and is said", async () => {
    const spec = readFileSync(join(at, "run", "small.sinter"), "utf8");
    writeFileSync(join(at, "other.sinter"), spec.replace("lr 1e-2", "lr 1e-3"));
    const { code, err } = await sinter(
      "train",
      "other.sinter",
      "--resume",
      "--out",
      "copy",
      "--workers",
      "1",
    );
    expect(code).toBe(0);
    expect(err).toMatch(
      /^note: other\.sinter says lr 0\.001, not 0\.01; min_lr [^\n]*: the run goes on as it was; --set NAME=VALUE changes it\n$/,
    );
    expect(lastOf(copy()).equals(lastOf(whole))).toBe(true);
  });
});

describe("what stands beside", () => {
  it("a log of damaged lines breaks nothing", async () => {
    const path = join(copy(), "log.jsonl");
    const text = readFileSync(path, "utf8");
    const random = randomStream(3, "log");
    const bytes = Buffer.from(text);
    for (let i = 0; i < bytes.length / 20; i++) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    const strange = [
      '{"kind":"step","step":1}',
      '{"kind":"eval","step":2,"loss":"x"}',
      '{"kind":"sample","step":1,"text":5}',
      "null",
      '{"kind":"toString","step":1}',
      '{"step":1}',
    ];
    writeFileSync(path, Buffer.concat([bytes, Buffer.from(`\n${strange.join("\n")}\n`)]));
    expect(parseLog(strange.join("\n"))).toEqual([]);
    expect(await resume()).toMatchObject({ code: 0, err: "" });
    expect(lastOf(copy()).equals(lastOf(whole))).toBe(true);
    expect(readFileSync(join(copy(), "report.html"), "utf8")).toContain("<svg");
  });

  it("a checkpoint of another run is refused by name, and the older one is taken", async () => {
    mkdirSync(join(at, "b"), { recursive: true });
    const args = [
      "train",
      "run/small.sinter",
      "--data",
      "run/text.txt",
      "--out",
      "b/other",
      "--target",
      "simd",
      "--workers",
      "1",
      "--seed",
      "5",
      "--steps",
      "8",
    ];
    expect((await sinter(...args)).code).toBe(0);
    cpSync(join(at, "b", "other", checkpointName(8)), join(copy(), checkpointName(8)));
    const end = await resume();
    expect(end).toMatchObject({
      code: 0,
      err: expect.stringMatching(
        /skipped a checkpoint: \S+step-000008\.safetensors: it is of another run: its run differs/,
      ) as unknown,
    });
    expect(lastOf(copy()).equals(lastOf(whole))).toBe(true);
  });

  it("checkpoints without a record are not begun from", async () => {
    rmSync(join(copy(), "run.json"));
    const begin = [
      "train",
      "run/small.sinter",
      "--data",
      "run/text.txt",
      "--out",
      "copy",
      "--target",
      "simd",
      "--workers",
      "1",
    ];
    expect(await sinter(...begin)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/holds a checkpoint of step 6, and no run\.json/) as unknown,
    });
    for (const step of [2, 4, 6]) rmSync(join(copy(), checkpointName(step)));
    // left by a start that did not get as far as its record
    cpSync(join(half, checkpointName(2)), join(copy(), checkpointName(0)));
    expect(await sinter(...begin, "--keep", "9")).toMatchObject({ code: 0 });
    expect(lastOf(copy()).equals(lastOf(whole))).toBe(true);
  });
});
