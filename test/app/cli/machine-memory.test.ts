/** What a machine can never hold is refused before it begins; what it cannot hold now is told. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { exitCodes } from "../../../runtime/base/errors.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { run, trainSmall } from "../../support/command-line.ts";

const dir = mkdtempSync(join(tmpdir(), "sinter-memory-"));
const at = (name: string): string => join(dir, name);
const spec = `model small { vocab 300  context 64  width 128  layers 2  heads 2  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }  output linear(layernorm(x), tied: true)
  tokenizer bytes  train { batch 4  steps 2 } }`;
const FLAGS = "--workers 1 --target simd".split(" ");
const MIB = 2 ** 20;

beforeAll(async () => {
  writeFileSync(at("small.sinter"), spec);
  await trainSmall(at("small.sinter"), at("made"));
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => rmSync(dir, { recursive: true }));

/** From here on the machine has so many MiB, `available` of them. */
function machine(total: number, available = total, swap = 0): void {
  const memory = { total: total * MIB, swap: swap * MIB, available: available * MIB };
  vi.spyOn(nodeHost, "machineMemory").mockReturnValue(memory);
}

const train = (out: string, ...more: string[]) =>
  run("train", at("small.sinter"), "--out", at(out), "--eval-every", "0", ...FLAGS, ...more);

it("training is refused with what it is made of, and what would make it smaller", async () => {
  machine(7, 6);
  const { code, err } = await train("refused");
  expect(code).toBe(exitCodes.memory);
  const size = String.raw`[\d.]+ [KM]iB`;
  expect(err).toMatch(
    new RegExp(
      String.raw`training small takes [\d,]+ bytes \(${size}: (?=.*weights)(?=.*gradients)(?=.*moments)` +
        String.raw`.*activations ${size}.*\), and this machine has 7 MiB \(6 MiB available now\)`,
    ),
  );
  expect(err).toMatch(/`recompute layers` \([\d.]+ MiB then.*`optimizer adamw8` \([\d.]+ MiB then/);
  expect(readdirSync(dir)).not.toContain("refused");
});

it("swap counts, and so the run begins; that little is available is a note", async () => {
  machine(7, 6, 100);
  const { code, err } = await train("swapped");
  expect(code, err).toBe(0);
  expect(err).toMatch(
    /^note: training small takes .* of this machine's 7 MiB only 6 MiB \(\d+ % of it\) is/m,
  );
});

it("a run that goes on is refused, too", async () => {
  machine(1);
  const { code, err } = await run(
    "train",
    "--resume",
    "--out",
    at("made"),
    "--set",
    "train.steps=3",
    ...FLAGS,
  );
  expect(code).toBe(exitCodes.memory);
  expect(err).toMatch(/training small takes .*\n.*`optimizer adamw8`/);
});

it("what only infers needs its weights, and none of what training writes", async () => {
  machine(4);
  const asked = ["sample", at("made"), "--prompt", "a", "--tokens", "2", ...FLAGS];
  expect((await run(...asked)).err).toBe("");
  machine(1);
  const { code, err } = await run(...asked);
  expect(code).toBe(exitCodes.memory);
  expect(err).toMatch(/running small takes .*weights .*this machine has 1 MiB.*\n.*--weights q8_0/);
});

it("a server needs room for all that its texts may fill", async () => {
  machine(8);
  const { code, err } = await run("serve", at("made"), "--parallel", "64", ...FLAGS);
  expect(code).toBe(exitCodes.memory);
  expect(err).toMatch(/small with 64 texts at once takes .*keys and values 8\.?\d* MiB.*machine has 8 MiB/);
  expect(err).toContain("Fewer texts (--parallel)");
});
