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

test("README's chain: every sum once, those that measure it are never learnt; all stages run", async () => {
  expect((await runPatiently(data!, { cwd: at })).exit).toBe(0);
  const [all, worked, asked, unseen] = ["sums", "worked", "asked", "unseen"].map((n) => rowsOf(`${n}.jsonl`));
  expect(new Set(all).size).toBe(8100);
  for (const row of all!) {
    const [, a, b, sum] = /"question": "(\d\d)\+(\d\d)=", "answer": "(\d+)"/.exec(row)!.map(Number);
    expect(a! + b!, row).toBe(sum);
  }
  expect(asked).toEqual(expect.arrayContaining(worked!));
  expect(new Set([...asked!, ...unseen!]).size).toBe(8100);
  writeFileSync(join(at, "unseen.jsonl"), unseen!.slice(0, 16).join("\n"));

  // answers of a model that has learnt nothing do not end, and would be left out
  const few: Readonly<Record<string, string>> = {
    train: "--steps 2 --eval-every 0 --workers 1 --target simd",
    sft: "--steps 2 --eval-every 0 --workers 1 --target simd",
    rl: "--steps 2 --eval-every 0 --workers 1 --target simd --set truncated=penalty --set prompts=8",
    eval: "--workers 1 --target simd",
  };
  const said: string[] = [];
  for (const line of commands!.split("\n")) {
    const [, , verb, ...args] = line.replace("specs/", `${root}/specs/`).split(" ");
    const { code, out, err } = await inside([verb!, ...args, ...few[verb!]!.split(" ")], at);
    expect(code, `${line}\n${err}`).toBe(0);
    said.push(out);
  }
  expect(said).toHaveLength(5);
  expect(said[3]).toMatch(/^reward 0\.\d+ .*pass@8 .*\nat the start: reward 0\.\d+ .*pass@8 /m);
  expect(said[4]).toMatch(/^loss \d/);
});
