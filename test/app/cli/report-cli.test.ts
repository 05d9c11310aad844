/** `sinter report`: pages, numbers and summaries of runs; and what is said where something is wrong. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lockFolder } from "../../../runtime/node/lock.ts";
import type { StageRecord } from "../../../runtime/store/run-record.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import { decodedEvents } from "../../support/event-file.ts";
import { inside, type Said } from "../../support/inside.ts";
import { stepEvents, writeRun } from "../../support/logged-runs.ts";

const folder = mkdtempSync(join(tmpdir(), "sinter-report-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const report = (...args: readonly string[]): Promise<Said> => inside(["report", ...args], folder);
const read = (name: string): string => readFileSync(join(folder, name), "utf8");

const stage: StageRecord = {
  stage: "prefer",
  chatFormat: "none",
  patience: 0,
  dropWrong: false,
  block: "prefer",
  settings: { objective: "dpo", beta: 0.1 },
};

beforeAll(async () => {
  const run = (name: string, events: readonly TrainEvent[], record?: Parameters<typeof writeRun>[2]) =>
    writeRun(join(folder, name), events, record);
  await run("a", stepEvents(300));
  const changed = stepEvents(300, (step) => (step > 100 ? { lr: 5e-4 } : {}));
  const changes = [{ step: 100, setting: "lr", from: 3e-3, to: 1e-3 }] as const;
  await run("b", changed, { settings: { lr: 1e-3 }, changes });
  await run("deep/a", stepEvents(10));
  const metrics = (step: number) => ({ metrics: { "rewards/margins": step / 10 } });
  await run("pref", stepEvents(5, metrics), { stage });
  await run("damaged", stepEvents(20));
  const lines = read("damaged/log.jsonl").split("\n");
  writeFileSync(
    join(folder, "damaged/log.jsonl"),
    lines.with(3, lines[3]!.slice(9)).join("\n").slice(0, -30),
  );
  await run("rubbish", []);
  writeFileSync(join(folder, "rubbish/log.jsonl"), "x\ny\n");
  await run("begun", []);
  await run("imported", [], { imported: { from: "/m.gguf", form: "GGUF" } });
  rmSync(join(folder, "imported/log.jsonl"));
});

describe("one run", () => {
  test("gets its report anew, with the stages of its log's names", async () => {
    expect(await report("pref")).toMatchObject({ code: 0, err: "" });
    expect(read("pref/report.html")).toMatch(/rewards\/margins[\s\S]*<svg/);
    await report("a", "-o", "elsewhere.html");
    expect(read("elsewhere.html")).toContain("<svg");
    expect(existsSync(join(folder, "a/report.html"))).toBe(false);
  });

  test("as CSV, in a file or on standard output, with nothing else on it", async () => {
    const { out, err } = await report("pref", "--csv");
    expect(out.split("\n")[1]).toMatch(/^1,2026-01-01T00:00:01.000Z,5,0.001,1,64,256,0.1$/);
    expect(out.split("\n")[0]).toMatch(/,rewards\/margins$/);
    expect(err).toBe("");
    expect((await report("pref", "--csv", "p.csv")).out).toMatch(/p\.csv has the numbers\n$/);
    expect(read("p.csv")).toBe(out);
  });

  test("before its first step is a page, too", async () => {
    expect(await report("begun")).toMatchObject({ code: 0, err: "" });
    expect(read("begun/report.html")).not.toMatch(/NaN|undefined/);
  });
});

describe("several runs", () => {
  test("stand over each other, and it is said until when they are the same", async () => {
    const { code, out } = await report("a", "b", "deep/a");
    expect(code).toBe(0);
    expect(out).toContain("/a and b: identical until step 100, then lr\n");
    expect(out).toMatch(/ and deep\/a: identical in all 10 steps that both have\n/);
    const page = read("compare.html");
    expect(page).toContain('<th scope="row">lr</th><td>0.003</td><td>0.003; after step 100: 0.001</td>');
    expect(page).not.toContain('<th scope="row">batch</th>');
    expect(page).toMatch(/<script type="module">/);
  });

  test("as JSON for programs", async () => {
    const { out } = await report("a", "b", "--json");
    const said = JSON.parse(out) as Record<string, unknown>;
    expect(said).toMatchObject({
      runs: [
        { name: "a", state: "done", step: 300, tokens: 19200, tokensPerSecond: 256, bestLoss: null },
        { name: "b", settings: { lr: "0.003; after step 100: 0.001" } },
      ],
      common: [{ runs: ["a", "b"], identicalUntil: 100, differs: { step: 101, names: ["lr"] } }],
    });
    expect(Object.keys(said["differing"] as object)).toEqual(["lr"]);
  });

  test("as event files, which a second call replaces", async () => {
    for (let i = 0; i < 2; i++) await report("a", "deep/a", "--tensorboard", "board");
    const name = "events.out.tfevents.1767225601.sinter";
    const [into] = readdirSync(join(folder, "board")).filter((each) => each !== "deep");
    expect(readdirSync(join(folder, "board/deep/a"))).toEqual([name]);
    expect(into).toBeDefined();
    expect(decodedEvents(readFileSync(join(folder, "board/deep/a", name)))).toHaveLength(11);
  });
});

describe("logs that are not whole", () => {
  test("a damaged line is counted, the torn last one is not; the rest is shown", async () => {
    const { code, out } = await report("damaged", "-o", "d.html");
    expect(code).toBe(0);
    expect(out).toMatch(/damaged: 1 line of its log is damaged and left out\n/);
    expect(read("d.html")).toContain("<svg");
  });

  test("a run that is training is shown as it is", async () => {
    const unlock = lockFolder(join(folder, "deep/a"));
    try {
      const { out } = await report("deep/a", "--json");
      expect(JSON.parse(out)).toMatchObject({ runs: [{ state: "in progress", step: 10, steps: 300 }] });
    } finally {
      unlock();
    }
  });
});

describe("what is wrong is said", () => {
  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ["no folder", ["nowhere"], 1, /there is no folder/],
    ["no run", ["deep"], 1, /holds no run/],
    ["one run twice", ["a", "./a"], 2, /is named twice/],
    ["an imported model", ["imported"], 1, /has no log: it is an imported model/],
    ["no event in the log", ["rubbish"], 3, /none of its 2 lines holds an event/],
    ["no numbers yet", ["begun", "--tensorboard", "x"], 1, /has no numbers yet/],
    ["two outputs on one", ["a", "--csv", "--json"], 2, /both want standard output/],
    ["CSV into a folder", ["a", "--csv", "deep"], 1, /cannot write .*deep: it is a folder/],
    ["a run taken for a file", ["--csv", "a"], 2, /missing required argument/],
  ];
  for (const [name, args, code, message] of cases)
    test(name, async () => {
      const said = await report(...args);
      expect(said.err).toMatch(message);
      expect(said.code).toBe(code);
    });
});
