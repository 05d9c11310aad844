/**
 * A model of the page, in Node: pauses, steps, works between them, moved sliders and a tab that was killed
 * change no bit of what it computes.
 */
import { beforeAll, expect, test } from "vitest";
import { beginRunIn, restoreRunIn } from "../../../../app/playground/model/begin-run.ts";
import type { RunToOpen } from "../../../../app/playground/model/model-calls.ts";
import type { OpenedRun } from "../../../../app/playground/model/opened-run.ts";
import type { Move } from "../../../../app/playground/share/experiment.ts";
import type { Compiled } from "../../../../compiler/compile.ts";
import { generate } from "../../../../runtime/sample/generate.ts";
import { listCheckpoints } from "../../../../runtime/store/checkpoint.ts";
import { nodeHost } from "../../../../runtime/node/host.ts";
import type { TrainEvent } from "../../../../runtime/train/events.ts";
import { batchSource } from "../../../../runtime/train/sources/batch-source.ts";
import { openCorpus } from "../../../../runtime/train/sources/corpus.ts";
import { train } from "../../../../runtime/train/train.ts";
import { byteTokenizer } from "../../../../runtime/tokenizers/plain/bytes.ts";
import { samplerDefaults } from "../../../../runtime/sample/sampler.ts";
import { createModel } from "../../../../runtime/engine/model.ts";
import { memoryFiles } from "../../../support/memory-files.ts";
import { compileSmall, valuesOf } from "../../../support/running-models.ts";

const STEPS = 24;
const source = `model page { vocab 256 context 8 width 16 layers 1 heads 2
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 2 context 8 steps ${STEPS} lr 1e-2 warmup 4 eval_every 5 sample_every 10 }
}`;
const text = "the cat sat on the mat and the dog sat on the cat. ".repeat(20);
const folder = "runs/1";
let bundle: Compiled;
let straight: TrainEvent[];
let weights: unknown;

const asked = (more: Partial<RunToOpen> = {}): RunToOpen => ({
  bundle,
  source,
  text,
  settings: {},
  moves: [],
  target: "simd",
  workers: 1,
  experiment: '{"id":"cat"}',
  ...more,
});

/** What does not depend on the clock. */
const lasting = (events: readonly TrainEvent[]): unknown[] =>
  events.flatMap((event) =>
    event.kind === "save" ? [] : [{ ...event, ms: 0, tokensPerSecond: 0, time: undefined }],
  );
/** A log keeps nine digits, which say which f32 it was. */
const lossesOf = (events: readonly TrainEvent[]): number[] =>
  events.flatMap((event) => (event.kind === "step" ? [Math.fround(event.loss)] : []));

async function ended(opened: OpenedRun): Promise<unknown> {
  const values = valuesOf(opened.model, "parameter");
  await opened.close();
  return values;
}

beforeAll(async () => {
  bundle = await compileSmall(source, { module: "train", target: "simd" });
  const { train: settings, sizes } = bundle.manifest.model;
  const tokenizer = byteTokenizer();
  const corpus = openCorpus(text, { tokenizer, vocab: sizes.vocab, train: settings });
  straight = [];
  const model = await createModel(bundle, "train", { host: nodeHost, workers: 1, seed: settings.seed });
  await train(model, {
    settings,
    data: batchSource(corpus.split(settings.heldOut), corpus, ""),
    tokenizer,
    host: nodeHost,
    sample: { settings: samplerDefaults, prompt: "", tokens: 120 },
    save: async () => "",
    report: (event) => void straight.push(event),
  });
  weights = valuesOf(model, "parameter");
  await model.close();
});

test("paused, stepped and asked for a text, it comes to what the loop comes to in one go", async () => {
  const { opened } = await beginRunIn({ host: nodeHost, files: undefined }, asked(), folder);
  const events: TrainEvent[] = [];
  const report = (event: TrainEvent): void => void events.push(event);
  expect(await opened.train(1, report)).toBe("paused");
  expect(opened.step).toBe(1);
  expect(await opened.train(5, report)).toBe("paused"); // an evaluation is due there
  const learning = opened.train(STEPS, report);
  const made = await opened.still(() =>
    generate(opened.model, opened.tokenizer, { ...samplerDefaults, prompt: "the ", tokens: 5, seed: 1 }),
  );
  expect(made.tokens.length).toBe(5);
  await opened.pause();
  expect(await learning).toBe("paused");
  expect(opened.step).toBeGreaterThan(5);
  expect(opened.step).toBeLessThan(STEPS);
  expect(await opened.train(STEPS, report)).toBe("done");
  expect(lasting(events)).toEqual(lasting(straight));
  expect(await ended(opened)).toEqual(weights);
});

test("a killed tab goes on from its last checkpoint, with sliders that were moved after it", async () => {
  const moves: Move[] = [{ step: 3, setting: "lr", to: 2e-2 }];
  const quiet = (): void => {};
  const whole = await beginRunIn({ host: nodeHost, files: undefined }, asked({ moves }), folder);
  await whole.opened.train(9, quiet);
  await whole.opened.moveLearningRate(1e-3);
  await whole.opened.train(STEPS, quiet);
  const losses = lossesOf(whole.opened.log.events);
  expect(losses[3]).toBe(lossesOf(straight)[3]); // the loss before the first update at another rate
  expect(losses[4]).not.toBe(lossesOf(straight)[4]);

  const files = memoryFiles();
  const first = await beginRunIn({ host: nodeHost, files }, asked({ moves }), folder);
  await first.opened.train(6, quiet);
  await first.opened.save();
  await first.opened.train(9, quiet);
  expect(await first.opened.moveLearningRate(1e-3)).toEqual({ step: 9, setting: "lr", to: 1e-3 });
  await first.opened.train(11, quiet);
  await first.opened.model.close(); // killed: nothing is saved
  expect(await listCheckpoints(files, folder)).toEqual([{ file: "step-000006.safetensors", step: 6 }]);

  const { opened, tokens } = await restoreRunIn({ host: nodeHost, files }, folder, 1);
  expect(tokens).toEqual({ train: 918, heldOut: 102 });
  expect([opened.step, opened.experiment, opened.moves.length]).toEqual([6, '{"id":"cat"}', 2]);
  expect(await opened.train(STEPS, quiet)).toBe("done");
  expect(lossesOf(opened.log.events)).toEqual(losses);
  expect(opened.settings.lr).toBe(1e-3);
  expect(await ended(opened)).toEqual(await ended(whole.opened));
  expect((await listCheckpoints(files, folder))[0]!.step).toBe(STEPS);
});

test("settings, target and text are checked before anything is opened", async () => {
  const begin = (more: Partial<RunToOpen>): Promise<unknown> =>
    beginRunIn({ host: nodeHost, files: undefined }, asked(more), folder);
  await expect(begin({ settings: { lr: -1 } })).rejects.toThrow(/the settings of the training: lr/);
  await expect(begin({ target: "relaxed" })).rejects.toThrow(
    /not compiled for training on the target relaxed/,
  );
  await expect(begin({ text: "short" })).rejects.toThrow(/too short/);
});
