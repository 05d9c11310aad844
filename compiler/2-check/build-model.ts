/** One model, with all that it inherits → plain, checked numbers. */
import { nearest } from "../diagnostics/nearest.ts";
import type { Note, Reporter } from "../diagnostics/report.ts";
import { checkEmbed, checkLayer, checkOutput, type Surroundings } from "./equations.ts";
import { checkStages } from "./check-stages.ts";
import { camelCased, isComplete, readAll } from "./fields-of.ts";
import type { Resolved } from "./inherit.ts";
import type {
  Model,
  SampleSettings,
  Sizes,
  TokenizerName,
  TrainSettings,
} from "../../runtime/contract/model.ts";
import { checkHead, checkObjectives } from "./check-objectives.ts";
import { parameterCount } from "./parameters.ts";
import { namesOnly, type ModelRecorder } from "./record.ts";
import { makeScope, type Binding, type Scope } from "./scope.ts";
import { endless, leastVocab, sampleFields, sizeFields, tokenizers, trainFields } from "./settings.ts";
import { checkBand, checkPattern, checkSizes, warnOfUnevenHeads } from "./sizes.ts";

/**
 * Where the sizes themselves are wrong, equations are still checked, with these instead; complaints that may
 * come from the substitution are not told.
 */
const standIns: Sizes = { vocab: 256, context: 16, width: 16, layers: 1, heads: 1, kvHeads: 1, headDim: 16 };
const sizeCodes: readonly string[] = ["E0203", "E0204", "E0205", "E0212", "E0307", "E0308", "E0309", "E0310"];

const examples = {
  embed: "embed token + position",
  layer: "layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }",
  output: "output linear(layernorm(x))",
} as const;

export interface BuildModelOptions {
  readonly report: Reporter;
  /** Receives the warnings that an `expect parameters` of the spec can settle. */
  readonly deferred: Reporter;
  /** Those that are wanted, with defaults, where the spec has no block of them. Default: none. */
  readonly stages?: readonly string[];
  readonly record: ModelRecorder;
}

/** Returns undefined where something is wrong. */
export function buildModel(
  resolved: Resolved,
  { report, deferred, stages = [], record }: BuildModelOptions,
): Model | undefined {
  const { name } = resolved.node;
  const tokenizer = checkTokenizer(resolved, report);
  const least = tokenizer && leastVocab(tokenizer, rowsSaid(resolved));
  const vocab = tokenizer && tokenizers[tokenizer].fixed ? { tokenizer_vocab: least! } : {};
  const scope = makeScope({ bindings: resolved.sizes, fields: sizeFields, extra: vocab, report, record });
  for (const key of resolved.sizes.keys()) scope.read(key); // lets that nothing uses are checked, too
  const sizes = tokenizer && checkSizes(resolved, scope, { name: tokenizer, least: least! }, report);
  for (const section of ["embed", "layer", "output"] as const)
    if (!resolved[section] && !resolved.broken)
      report("E0301", name.span, { section, model: name.text, example: examples[section] });
  const pattern = checkPattern(resolved, report);
  const at = surroundings(scope, sizes, report);
  const embed = checkEmbed(resolved, at);
  const layer = checkLayer(resolved, at);
  const output = checkOutput(resolved, at);
  const train = checkTrain(resolved.train, scope, report);
  const sample = checkSample(resolved.sample, scope, report);
  const head = checkHead(resolved, report);
  const objectives = checkObjectives(resolved, report);
  const ofStages =
    train &&
    objectives &&
    checkStages({ written: resolved, wanted: stages, train, outer: scope, objectives, report });
  if (pattern && layer) checkBand(resolved, scope, pattern, layer, report);
  if (tokenizer && train?.rows && endless.includes(tokenizer))
    report("E0224", resolved.train.get("rows")!.value!.span, { tokenizer });
  if (!sizes || !embed || !layer || !output || !tokenizer || !train || !sample || !pattern) return undefined;
  if (!ofStages || !head || !objectives) return undefined;
  const model: Model = {
    name: name.text,
    sizes,
    ...(pattern.length > 0 ? { pattern } : {}),
    embed,
    layer,
    output,
    ...head,
    ...(objectives.length > 0 && { objectives }),
    tokenizer,
    train,
    sample,
    ...ofStages,
  };
  if (!Number.isSafeInteger(parameterCount(model))) {
    report("E0217", name.span, {});
    return undefined;
  }
  warnOfUnevenHeads(resolved, sizes, scope, deferred);
  return model;
}

/** What equations are checked with: where sizes are wrong, stand-ins that say no more than they can. */
function surroundings(scope: Scope, sizes: Sizes | undefined, report: Reporter): Surroundings {
  const { record } = scope;
  if (sizes) return { scope, sizes, report, record };
  const withoutSizes: Reporter = (code, ...rest) => {
    if (!sizeCodes.includes(code)) report(code, ...rest);
  };
  return { scope, sizes: standIns, report: withoutSizes, record: namesOnly(record) };
}

/** Needed before `train` is checked: the vocabulary's default depends on it. */
function rowsSaid({ train }: Resolved): TrainSettings["rows"] {
  const value = train.get("rows")?.value;
  return value?.kind === "word" && value.text === "documents" ? "documents" : undefined;
}

/** bytes, or characters where the vocabulary is too small for bytes. */
function checkTokenizer({ tokenizer, sizes }: Resolved, report: Reporter): TokenizerName | undefined {
  if (!tokenizer) {
    const vocab = sizes.get("vocab")?.value;
    return vocab?.kind === "number" && vocab.value < tokenizers.bytes.vocab ? "characters" : "bytes";
  }
  const { text: word, span } = tokenizer;
  const words = Object.keys(tokenizers);
  if (Object.hasOwn(tokenizers, word)) return word as TokenizerName;
  report("E0208", span, {
    key: "tokenizer",
    word,
    words,
    nearest: word === "chars" ? "characters" : nearest(word, words),
    help: undefined,
  });
  return undefined;
}

// ---- train and sample

function checkTrain(
  bindings: ReadonlyMap<string, Binding>,
  outer: Scope,
  report: Reporter,
): TrainSettings | undefined {
  const modelContext = outer.read("context");
  const known = typeof modelContext === "number" ? { model_context: modelContext } : {};
  const v = readAll(
    trainFields,
    makeScope({ bindings, fields: trainFields, extra: known, report, record: outer.record, outer }),
  );
  if (known.model_context !== undefined && v.context !== undefined && v.context > known.model_context)
    report(
      "E0216",
      bindings.get("context")!.value!.span,
      { section: "train", train: v.context, context: known.model_context },
      contextNote(outer),
    );
  const { lr, min_lr: minLr } = v;
  if (lr !== undefined && minLr !== undefined && minLr > lr)
    report("W0219", (bindings.get("min_lr") ?? bindings.get("lr"))!.key.span, { minLr, lr });
  if (!isComplete(trainFields, v)) return undefined;
  const { rows, recompute, optimizer, ...settings } = camelCased(v);
  return {
    ...settings,
    ...(rows === "documents" && { rows }),
    ...(recompute === "layers" && { recompute }),
    ...(optimizer === "adamw8" && { optimizer }),
  };
}

function contextNote(scope: Scope): Note[] {
  const span = scope.bindings.get("context")?.value?.span;
  return span ? [{ text: "the model's context is set here", span }] : [];
}

function checkSample(
  bindings: ReadonlyMap<string, Binding>,
  outer: Scope,
  report: Reporter,
): SampleSettings | undefined {
  const v = readAll(
    sampleFields,
    makeScope({ bindings, fields: sampleFields, report, record: outer.record, outer }),
  );
  return isComplete(sampleFields, v) ? camelCased(v) : undefined;
}
