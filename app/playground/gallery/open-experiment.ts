/**
 * From what the editor holds and what was chosen to a model that is open: text and bundle come from the table
 * of examples where the spec computes what the example's does, else the spec is compiled in the page.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import type { LinkedBundle } from "../../../runtime/engine/linked-bundle.ts";
import { sameModel } from "../../cli/options/same-model.ts";
import { chosenModel, type ModelFacts } from "../check/checked.ts";
import type { CompileProgress } from "../compile/compile-thread.ts";
import type { PublishedFiles } from "../model/model-calls.ts";
import type { Page } from "../page/page.ts";
import type { Data } from "../share/experiment.ts";
import { exampleOf, type Example } from "./examples.ts";

export interface HowToOpen {
  readonly target: Target;
  readonly workers: number;
  /** Of a published model, which go in before it learns. */
  readonly weights?: PublishedFiles | undefined;
  readonly tokenizer?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Hears how far the compiler is, where the spec has to be compiled. */
  readonly onProgress?: ((progress: CompileProgress) => void) | undefined;
}

/** Rejects with a SinterError where the spec has errors, or does not go with the text. */
export async function openExperiment(page: Page, how: HowToOpen): Promise<void> {
  const experiment = page.experiment.now;
  const { text: source } = page.spec.now;
  const example = exampleOf(experiment.example);
  const facts = await checkedModel(page);
  await page.model.open({
    source,
    text: await textOf(experiment.data),
    settings: { seed: experiment.seed, steps: experiment.steps },
    moves: experiment.moves,
    target: how.target,
    workers: how.workers,
    weights: how.weights,
    tokenizer: how.tokenizer ?? (await example?.tokenizer?.()),
    experiment: JSON.stringify({ ...experiment, brought: how.weights?.name }),
    bundle: (signal) => bundleFor(facts, { source, example, how, signal }),
  });
}

export async function textOf(data: Data): Promise<string> {
  if (data.kind === "own") return data.text;
  const example = exampleOf(data.id);
  if (example) return example.text();
  const hint = "Choose an example, or give a text.";
  throw new SinterError("input", `there is no text “${data.id}” here`, hint);
}

/** The model that the editor's text means, when the text has been checked. */
async function checkedModel(page: Page): Promise<ModelFacts> {
  const { text, model } = page.spec.now;
  const { promise, resolve, reject } = Promise.withResolvers<ModelFacts>();
  const done = new AbortController();
  page.checked.watch((checked) => {
    if (checked?.text !== text) return;
    const isWrong = !checked.isCurrent || checked.diagnostics.some(({ severity }) => severity === "error");
    const chosen = chosenModel(checked.models, model);
    if (isWrong || !chosen)
      reject(new SinterError("input", "the spec has errors", "Mend them in the editor first."));
    else resolve(chosen);
  }, done.signal);
  return promise.finally(() => done.abort());
}

interface Wanted {
  readonly source: string;
  readonly example: Example | undefined;
  readonly how: HowToOpen;
  readonly signal: AbortSignal;
}

async function bundleFor({ model, name }: ModelFacts, wanted: Wanted): Promise<Bundle | LinkedBundle> {
  const { source, example, how, signal } = wanted;
  const built = await builtFor(model, example, how.target);
  if (built) return built;
  const { compileSpec } = await import("../compile/compile-spec.ts");
  const options = { modules: ["train"], targets: [how.target], entries: ["look"] } as const;
  const spec = { text: source, model: name, options } as const;
  return compileSpec(spec, { signal, onProgress: how.onProgress });
}

/**
 * What the example was compiled to, where that does for this model: how long it trains, how fast it learns
 * and how it samples are no part of its code. Undefined: it has to be compiled.
 */
async function builtFor(
  model: Model,
  example: Example | undefined,
  target: Target,
): Promise<LinkedBundle | undefined> {
  const bundle = await example?.bundle();
  if (!bundle?.manifest.modules.train?.wasm[target]) return undefined;
  const { model: built } = bundle.manifest;
  const { seed, heldOut } = built.train;
  const asBuilt = {
    ...model,
    name: built.name,
    sample: built.sample,
    train: { ...model.train, seed, heldOut },
  };
  if (!sameModel(asBuilt, built as Model)) return undefined;
  return { ...bundle, manifest: { ...bundle.manifest, model } };
}

/** Whether the editor's model runs without being compiled in the page. */
export async function isBuilt(page: Page, target: Target): Promise<boolean> {
  const { model } = await checkedModel(page);
  return (await builtFor(model, exampleOf(page.experiment.now.example), target)) !== undefined;
}
