/**
 * README's chain from a text to rewards, its commands as they stand there, in a few steps. What it brings
 * as a whole: `npm run test:long -- chain`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inside } from "../../support/inside.ts";
import { root } from "../../support/paths.ts";
import { runPatiently } from "../../support/patient.ts";
import { chainBlocks } from "../../support/readme-blocks.ts";

const [data, commands] = chainBlocks(readFileSync(join(root, "README.md"), "utf8"));
let at: string;
beforeAll(() => {
  at = mkdtempSync(join(tmpdir(), "sinter-chain-"));
});
afterAll(() => rmSync(at, { recursive: true, force: true }));

const rowsOf = (name: string): string[] => readFileSync(join(at, name), "utf8").trimEnd().split("\n");

const sumIn = (row: string): string => /\d\d\+\d\d=/.exec(row)![0];

test("README's chain: every sum once, those that measure it are never learnt; all stages run", async () => {
  expect((await runPatiently(data!, { cwd: at })).exit).toBe(0);
  const all = rowsOf("sums.jsonl");
  expect(new Set(all).size).toBe(8100);
  for (const row of all) {
    const [, a, b, sum] = /"question": "(\d\d)\+(\d\d)=", "answer": "(\d+)"/.exec(row)!.map(Number);
    expect(a! + b!, row).toBe(sum);
  }
  const unseen = new Set(rowsOf("unseen-sums.jsonl").map(sumIn));
  expect(unseen.size).toBe(800);
  for (const name of ["worked", "chosen", "asked"])
    for (const row of rowsOf(`${name}.jsonl`)) expect(unseen, row).not.toContain(sumIn(row));
  const certainty = (answer: string): number => ["?", "", "!"].indexOf(/\D?$/.exec(answer)![0]);
  const chosen = rowsOf("chosen.jsonl").map(
    (row) => JSON.parse(row) as Record<"chosen" | "rejected", string>,
  );
  expect(chosen.filter((pair) => certainty(pair.chosen) > certainty(pair.rejected))).toHaveLength(900);
  for (const name of ["unseen-said.jsonl", "unseen-pairs.jsonl", "unseen-sums.jsonl"])
    writeFileSync(join(at, name), rowsOf(name).slice(0, 16).join("\n"));

  // answers of a model that has learnt nothing do not end, and would be left out
  const few: Readonly<Record<string, string>> = {
    train: "--steps 2 --eval-every 0 --workers 1 --target simd",
    sft: "--steps 2 --eval-every 0 --workers 1 --target simd",
    reward: "--steps 2 --eval-every 0 --workers 1 --target simd",
    rl: "--steps 2 --eval-every 0 --workers 1 --target simd --set truncated=penalty --set prompts=8",
    eval: "--workers 1 --target simd",
  };
  const said: string[] = [];
  for (const line of commands!.replaceAll("\\\n", "").split("\n")) {
    const [, , verb, ...args] = line.replace("specs/", `${root}/specs/`).split(/ +/);
    const { code, out, err } = await inside([verb!, ...args, ...few[verb!]!.split(" ")], at);
    expect(code, `${line}\n${err}`).toBe(0);
    said.push(out);
  }
  expect(said).toHaveLength(6);
  expect(said[4]).toMatch(/^reward .* best@8 .* contains .* judge .*\nat the start: .* best@8 .* judge /m);
  expect(said[5]).toMatch(/^loss \d/);
  const report = readFileSync(join(at, "runs/sums-rl/report.html"), "utf8");
  expect([...report.matchAll(/<li[^>]*><b>(\w+)/g)].map(([, stage]) => stage)).toEqual([
    "train",
    "sft",
    "reward",
    "rl",
  ]);
});
