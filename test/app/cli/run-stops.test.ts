/**
 * How a training run is stopped: signals make it save, an evaluation can be stopped, a full disk leaves the
 * last checkpoint, and none of these ends with exit code 0.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluateBatches } from "../../../runtime/train/evaluate.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { train } from "../../../runtime/train/train.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import { inside } from "../../support/inside.ts";
import { ownProcess, type Ended } from "../../support/own-process.ts";
import { Display } from "../../../app/cli/train/display.ts";
import type { ProgressMeter } from "../../../runtime/report/progress.ts";
import { checkpointName, resumeArgs, smallRun, STEPS } from "../../long/small-run.ts";
import { fakeModel, settings } from "../../support/fake-model.ts";
import { addressOf, SINTER } from "../../support/paths.ts";

const FAULT = addressOf("test/long/fault.ts");

let at: string;
let half: string;
beforeAll(async () => {
  at = mkdtempSync(join(tmpdir(), "sinter-stops-"));
  ({ half } = await smallRun(join(at, "run")));
});
afterAll(() => rmSync(at, { recursive: true, force: true }));

/** `said` gets all that has been printed so far, and may send a signal. */
const sinter = (
  args: readonly string[],
  said: (text: string, kill: (signal: NodeJS.Signals) => void) => void,
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> =>
  ownProcess(process.execPath, ["--import", FAULT, SINTER, ...args], {
    cwd: at,
    env,
    said: (text, child) => said(text, (signal) => child.kill(signal)),
  }).ended;
const fresh = (name: string): string => {
  const folder = join(at, name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(half, folder, { recursive: true });
  return folder;
};
const checkpoints = (folder: string): string[] =>
  readdirSync(folder).filter((name) => name.startsWith("step-"));

describe("a signal", () => {
  for (const signal of ["SIGHUP", "SIGTERM", "SIGINT"] as const)
    it(`${signal} saves and exits 5; the second one ends the program`, async () => {
      const folder = fresh(signal);
      let sent = false; // a second one would end the program at once
      const long = await sinter([...resumeArgs(signal), "--steps", "100000"], (text, kill) => {
        if (sent || !text.includes('"step":20,')) return;
        sent = true;
        kill(signal);
      });
      expect(long).toMatchObject({ code: 5, signal: null, err: "" });
      expect(long.out).toContain('"end":"interrupted"');
      expect(existsSync(join(folder, "lock"))).toBe(false);
      expect(checkpoints(folder).length).toBeGreaterThan(3);
    });
});

const LAST_STEP = /^step 2\b/m;
/** Held-out text that is so long that the evaluation at the end takes a while. */
const LONG = "The quick brown fox jumps over the lazy dog, and runs.\n".repeat(240_000);

describe("the evaluation at the end", () => {
  it("can be stopped, and is made by the next start; the second signal ends it at once", async () => {
    writeFileSync(join(at, "long.txt"), LONG);
    const begin = [
      "train",
      "run/small.sinter",
      "--data",
      "long.txt",
      "--out",
      "long",
      "--target",
      "simd",
      "--workers",
      "1",
      "--steps",
      "2",
    ];
    let sent = false;
    const stopped = await sinter(begin, (text, kill) => {
      if (sent || !LAST_STEP.test(text)) return; // what follows takes seconds
      sent = true;
      kill("SIGINT");
    });
    expect(stopped).toMatchObject({ code: 5, signal: null, err: "" });
    expect(stopped.out).toContain(
      "all 2 steps are made, and saved; the evaluation at the end was stopped. It is made by: ",
    );
    expect(stopped.out).toMatch(/sinter train --resume --out \S+long\n$/);
    expect(checkpoints(join(at, "long"))).toEqual([checkpointName(2)]);
    let times = 0;
    const ended = await sinter(["train", "--resume", "--out", "long", "--workers", "1"], (text, kill) => {
      if (!/going on after step 2/.test(text) || times++ > 0) return;
      kill("SIGTERM");
      kill("SIGTERM");
    });
    expect([5, null]).toContain(ended.code); // the process may have ended before the second one comes
    expect(checkpoints(join(at, "long"))).toEqual([checkpointName(2)]);
    expect((await inside(["eval", "long", "--workers", "1", "--data", "run/text.txt"], at)).code).toBe(0);
  });

  it.each([false, true])(
    "says how far it is, every two seconds, or in the line that lives (terminal: %s)",
    (tty) => {
      const said: string[] = [];
      const clock = performance.now;
      const io = { out: (text: string) => void said.push(text), err: () => {}, tty, columns: 120, cwd: at };
      const display = new Display(io, false, {} as ProgressMeter);
      let now = 0;
      performance.now = () => now;
      try {
        for (now = 10_000; now < 14_500; now += 500) display.evaluating(now / 10, 2000);
      } finally {
        performance.now = clock;
      }
      const seen = said.flatMap(
        (text) => /evaluating the held-out part: [\d,]+ of 2,000 tokens/.exec(text)?.[0].slice(30) ?? [],
      );
      const all = [1000, 1050, 1100, 1150, 1200, 1250, 1300, 1350, 1400].map(
        (n) => `${n.toLocaleString("en")} of 2,000 tokens`,
      );
      expect(seen).toEqual(tty ? all : [all[0], all[4], all[8]]);
      if (tty) expect(said.at(-1)).toContain("Ctrl-C stops it; the weights are saved");
    },
  );

  const batch = { tokens: new Int32Array(16), targets: new Int32Array(16) };
  const host = {
    cores: 1,
    enableWide: () => false,
    compile: () => {
      throw new Error("none");
    },
    startPool: () => Promise.reject(new Error("none")),
    breathe: async () => {},
    readUrl: () => Promise.reject(new Error("no files")),
  };
  const run = async (stopAt: "evaluating" | "never") => {
    const stop = new AbortController();
    const events: TrainEvent[] = [];
    const saves: number[] = [];
    let seen = 0;
    const end = await train(fakeModel(3), {
      settings,
      tokenizer: byteTokenizer(),
      host,
      signal: stop.signal,
      sample: {
        settings: samplerDefaults,
        prompt: "\u0001",
        tokens: 3,
      },
      data: { next: () => batch, evaluate: () => [batch, batch, batch], bytes: () => 1, identity: "x" },
      evaluating: () => {
        seen++;
        if (stopAt === "evaluating") stop.abort();
      },
      save: async ({ step }) => {
        saves.push(step);
        return "file";
      },
      report: (event) => void events.push(event),
    });
    return {
      end,
      seen,
      saves,
      kinds: events
        .filter(({ step, kind }) => step === settings.steps && kind !== "step")
        .map(({ kind }) => kind),
    };
  };
  it("stops after a batch; nothing but the evaluation and the sample is missing", async () => {
    expect(await run("never")).toEqual({
      end: "done",
      seen: 3,
      saves: [5, 10, 15, 20],
      kinds: ["save", "eval", "sample"],
    });
    expect(await run("evaluating")).toEqual({
      end: "interrupted",
      seen: 1,
      saves: [5, 10, 15, 20],
      kinds: ["save"],
    });
  });
  it("rejects at the signal", async () => {
    await expect(
      evaluateBatches(fakeModel(), [batch], () => 1, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ kind: "interrupted" });
  });
});

describe("a full disk", () => {
  it("leaves the last checkpoint and says which; with room the run goes on to the same bytes", async () => {
    const whole = readFileSync(join(at, "run", "whole", checkpointName(STEPS)));
    const random = randomStream(1, "full");
    let full = 0;
    for (let i = 0; i < 6; i++) {
      const folder = fresh("full");
      const tell = join(at, `full-${i}.jsonl`);
      const fault = { under: folder, at: 2 + random.below(90), how: "full", tell };
      const end = await sinter(resumeArgs("full"), () => {}, { SINTER_FAULT: JSON.stringify(fault) });
      expect(end.code, `operation ${fault.at}: ${end.err}`).toBe(1);
      expect(end.err).toMatch(/^error: [^\n]*\(ENOSPC\)[^\n]*\nhelp: [^\n]+\n$/);
      if (/; the last checkpoint, step-\d+\.safetensors, is unharmed/.test(end.err)) full++;
      const again = await inside(resumeArgs("full"), at);
      expect(again).toMatchObject({ code: 0, err: "" });
      expect(readFileSync(join(folder, checkpointName(STEPS))).equals(whole)).toBe(true);
    }
    expect(full).toBeGreaterThan(0);
  });
});
