/**
 * Runs from the command line: train, kill -9, resume to the same bits; signals; eval and sample; and what is
 * said when something is wrong.
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
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inside as runInside } from "../../support/inside.ts";
import { ownProcess, type Ended } from "../../support/own-process.ts";
import { SINTER } from "../../support/paths.ts";

const SPEC = `model tiny {
  context 16  width 16  layers 2  heads 2
  embed token + position
  layer {
    x += attention(layernorm(x))
    x += mlp(layernorm(x), hidden: 32, activation: gelu)
  }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 4  context 16  steps 300  lr 3e-3  eval_every 0 }
}
`;

/** Runs a verb in this process, for what ends before a model runs. */
const inside = async (args: readonly string[]): Promise<Ended> => ({
  ...(await runInside(args, folder)),
  signal: null,
});

/** Runs `sinter …` in a process of its own; `during` may send signals. */
function sinter(
  args: readonly string[],
  during: (
    kill: (signal: NodeJS.Signals) => void,
    onText: (look: (text: string) => void) => void,
  ) => void = () => {},
): Promise<Ended> {
  let look: (text: string) => void = () => {};
  const said = (text: string): void => look(text);
  const { child, ended } = ownProcess(process.execPath, [SINTER, ...args], { cwd: folder, said });
  during(
    (signal) => child.kill(signal),
    (l) => (look = l),
  );
  return ended;
}

let folder: string;
let reference: Ended;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sinter-cli-"));
  writeFileSync(join(folder, "tiny.sinter"), SPEC);
  writeFileSync(
    join(folder, "text.txt"),
    "The quick brown fox jumps over the lazy dog, and runs.\n".repeat(200),
  );
  reference = await sinter([
    "train",
    "tiny.sinter",
    "--data",
    "text.txt",
    "--out",
    "whole",
    "--target",
    "simd",
    "--workers",
    "1",
    "--save-every",
    "100",
  ]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A copy of the reference run as it was before its first step, which saves a second compilation. */
function fresh(name: string): void {
  mkdirSync(join(folder, name));
  for (const part of ["run.json", "spec.sinter", "bundle"])
    cpSync(join(folder, "whole", part), join(folder, name, part), { recursive: true });
}
const last = (name: string): Buffer => readFileSync(join(folder, name, "step-000300.safetensors"));

describe("a run", () => {
  it("trains and leaves checkpoints, log and report", () => {
    expect(reference).toMatchObject({ code: 0, err: "" });
    expect(readdirSync(join(folder, "whole")).sort()).toEqual([
      "bundle",
      "log.jsonl",
      "report.html",
      "run.json",
      "spec.sinter",
      "step-000100.safetensors",
      "step-000200.safetensors",
      "step-000300.safetensors",
    ]);
    const log = readFileSync(join(folder, "whole", "log.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { kind: string; step: number; loss: number });
    const steps = log.filter((e) => e.kind === "step");
    expect(steps.map((e) => e.step)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss / 2);
    expect(readFileSync(join(folder, "whole", "report.html"), "utf8")).toMatch(/validation[\s\S]*<svg/);
  });

  it("killed at any moment, resumes to the same bits, on any number of workers", async () => {
    fresh("killed");
    let kills = 0;
    for (let i = 0; i < 12; i++) {
      const after = 3 + ((i * 37) % 60); // events
      const workers = `${1 + (i % 2)}`;
      const end = await sinter(
        [
          "train",
          "--resume",
          "--out",
          "killed",
          "--workers",
          workers,
          "--save-every",
          "7",
          "--keep",
          "2",
          "--json",
        ],
        (kill, onText) =>
          onText((text) => {
            if (i < 4 && text.split("\n").length > after) kill("SIGKILL");
          }),
      );
      if (end.signal === "SIGKILL") kills++;
      else {
        expect(end).toMatchObject({ code: 0, err: "" });
        break;
      }
    }
    expect(kills).toBeGreaterThanOrEqual(2);
    expect(last("killed").equals(last("whole"))).toBe(true);
    const steps = readFileSync(join(folder, "killed", "log.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { kind: string; step: number })
      .filter((e) => e.kind === "step")
      .map((e) => e.step);
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
    expect(steps.at(-1)).toBe(300);
  });

  it("saves and exits 5 on SIGTERM", async () => {
    fresh("stopped");
    let sent = false; // a second signal would end the process at once
    const end = await sinter(
      ["train", "--resume", "--out", "stopped", "--workers", "1", "--json"],
      (kill, onText) =>
        onText((text) => {
          if (!sent && text.includes('"step":20,')) {
            sent = true;
            kill("SIGTERM");
          }
        }),
    );
    expect(end.code).toBe(5);
    expect(end.out).toContain('"end":"interrupted"');
    expect(readdirSync(join(folder, "stopped")).filter((name) => name.startsWith("step-"))).toHaveLength(1);
    expect(existsSync(join(folder, "stopped", "lock"))).toBe(false);
  });

  it("is watched to the same bits, by a page that does not read what it is sent", async () => {
    fresh("watched");
    let page: Socket | undefined;
    const end = await sinter(
      ["train", "--resume", "--out", "watched", "--workers", "1", "--watch", "--json"],
      (_, onText) =>
        onText((text) => {
          const port = /"url":"http:\/\/127.0.0.1:(\d+)\/"/.exec(text)?.[1];
          if (page || port === undefined) return;
          page = connect(Number(port), "127.0.0.1").pause();
          page.on("error", () => {}).write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        }),
    );
    expect(page).toBeDefined();
    expect(end).toMatchObject({ code: 0, err: "" });
    expect(last("watched").equals(last("whole"))).toBe(true);
  });

  it("is evaluated and sampled", async () => {
    const end = await sinter(["eval", "whole", "--json"]);
    expect(end).toMatchObject({ code: 0, err: "" });
    const { loss, perplexity, bits_per_byte } = JSON.parse(end.out) as Record<string, number>;
    expect(perplexity).toBeCloseTo(Math.exp(loss!), 6);
    expect(bits_per_byte).toBeCloseTo(loss! / Math.LN2, 6); // bytes are the tokens
    const first = await sinter(["sample", "whole", "-p", "The quick", "-n", "40", "--seed", "3", "--json"]);
    const second = await sinter([
      "sample",
      "whole",
      "-p",
      "The quick",
      "-n",
      "40",
      "--seed",
      "3",
      "--workers",
      "1",
    ]);
    const { text } = JSON.parse(first.out) as { text: string };
    expect(second.out).toBe(`The quick${text}\n`);
  });
});

describe("what is wrong is said in one message", () => {
  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    [
      "no data file",
      ["train", "tiny.sinter", "--data", "none.txt", "--out", "x1"],
      1,
      /cannot read .*none\.txt: there is no such file/,
    ],
    ["data is a folder", ["train", "tiny.sinter", "--data", ".", "--out", "x2"], 1, /it is a folder/],
    ["data is empty", ["train", "tiny.sinter", "--data", "empty.txt", "--out", "x3"], 1, /is empty/],
    [
      "data is not text",
      ["train", "tiny.sinter", "--data", "latin1.txt", "--out", "x4"],
      1,
      /is not UTF-8 text: byte 3 /,
    ],
    [
      "data is too short",
      ["train", "tiny.sinter", "--data", "short.txt", "--out", "x5", "--target", "simd"],
      1,
      /too short/,
    ],
    [
      "a run is there already",
      ["train", "tiny.sinter", "--data", "text.txt", "--out", "whole"],
      1,
      /holds a run already/,
    ],
    ["nothing to resume", ["train", "--resume", "--out", "nowhere"], 1, /no run to go on with/],
    [
      "another text",
      ["train", "--resume", "--out", "whole", "--data", "short.txt"],
      1,
      /not the one that this run began with/,
    ],
    ["no spec", ["train"], 2, /which spec/],
    [
      "steps that are no number",
      ["train", "tiny.sinter", "--steps", "many"],
      2,
      /--steps takes a whole number/,
    ],
    ["an unknown target", ["train", "tiny.sinter", "--target", "gpu"], 2, /no target `gpu`/],
    [
      "too many workers",
      ["train", "tiny.sinter", "--workers", "99"],
      2,
      /--workers takes a whole number from 1 to 64/,
    ],
    ["a run that is none", ["eval", "."], 1, /holds no run/],
    ["a folder that is none", ["sample", "nowhere"], 1, /there is no folder/],
    ["a temperature that is none", ["sample", "whole", "--temp", "-1"], 2, /--temp takes a number/],
    ["a part that is none", ["eval", "whole", "--part", "half"], 2, /--part takes/],
  ];
  beforeAll(() => {
    writeFileSync(join(folder, "empty.txt"), "");
    writeFileSync(join(folder, "latin1.txt"), Buffer.from("caf\xe9 au lait", "latin1"));
    writeFileSync(join(folder, "short.txt"), "too short");
  });
  for (const [name, args, code, message] of cases)
    it(name, async () => {
      const end = await inside(args);
      expect(end.err).toMatch(message);
      expect(end.err.trim().split("\n").length).toBeLessThanOrEqual(2);
      expect(end.err).not.toMatch(/\n\s+at /);
      expect(end.code).toBe(code);
    });

  it("a bundle that was touched is refused", async () => {
    cpSync(join(folder, "whole"), join(folder, "touched"), { recursive: true });
    const path = join(folder, "touched", "bundle", "manifest.json");
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replace('"offset": 4', '"offset": 5'));
    expect(await inside(["eval", "touched"])).toMatchObject({
      code: 3,
      err: expect.stringMatching(/manifest\.json is not the one/),
    });
    writeFileSync(path, text);
    const wasm = join(folder, "touched", "bundle", "train.simd.wasm");
    const bytes = readFileSync(wasm);
    bytes[1000]! ^= 1;
    writeFileSync(wasm, bytes);
    expect(await inside(["sample", "touched"])).toMatchObject({
      code: 3,
      err: expect.stringMatching(/not the one that the run began with/),
    });
  });

  it("a damaged checkpoint is skipped with a warning; when all are, exit code 3", async () => {
    cpSync(join(folder, "whole"), join(folder, "damaged"), { recursive: true });
    const names = readdirSync(join(folder, "damaged"))
      .filter((name) => name.startsWith("step-"))
      .sort();
    const spoil = (name: string): void => {
      const path = join(folder, "damaged", name);
      const bytes = readFileSync(path);
      bytes[bytes.readUInt32LE(0) + 8 + 5]! ^= 1;
      writeFileSync(path, bytes);
    };
    spoil(names.at(-1)!);
    const one = await inside(["eval", "damaged", "--json", "--workers", "1"]);
    expect(one).toMatchObject({ code: 0, err: expect.stringMatching(/skipped a checkpoint.*damaged/) });
    expect(JSON.parse(one.out)).toMatchObject({ step: 200 });
    names.slice(0, -1).forEach(spoil);
    expect(await inside(["eval", "damaged", "--workers", "1"])).toMatchObject({
      code: 3,
      err: expect.stringMatching(/no checkpoint in .* can be used/),
    });
  });
});
