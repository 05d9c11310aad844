/** Source → checked models, and everything that is wrong. Never throws, whatever the text. */
import { parse } from "../1-parse/parse.ts";
import { grouped } from "../diagnostics/message.ts";
import { nearest } from "../diagnostics/nearest.ts";
import { diagnostic, hasErrors, severityOf, tidy, type Diagnostic, type Note, type Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import { checkEmbed, checkLayer, checkOutput } from "./equations.ts";
import { facts, factNames, isFact } from "./facts.ts";
import type { ValuesOf } from "./fields.ts";
import { inherit, type Whole } from "./inherit.ts";
import type { Model, SampleSettings, TokenizerName, TrainSettings } from "./model.ts";
import { readNumber } from "./numbers.ts";
import { readOverrides, withOverrides, type Override } from "./overrides.ts";
import { parameterCount, parameterRows, type PartCount } from "./parameters.ts";
import { makeScope, type Binding, type Scope } from "./scope.ts";
import { sampleFields, sizeFields, tokenizers, trainFields } from "./settings.ts";
import { checkSizes, isNearMiss } from "./sizes.ts";
import { explainCount } from "./what-if.ts";

export interface CheckOptions {
  /** `--set`: setting → value as text. */
  readonly set?: Readonly<Record<string, string>>;
  /** Only this model of the file. */
  readonly model?: string;
}

export interface CheckedFact {
  readonly fact: string;
  readonly expected: number;
  readonly found: number;
  /** "skipped": sizes came from `--set`, so the fact is about another model. */
  readonly result: "holds" | "fails" | "skipped";
}

export interface ModelFacts {
  readonly name: string;
  readonly parameters: number;
  readonly parts: readonly PartCount[];
  readonly expects: readonly CheckedFact[];
}

export interface Checked {
  /** Models without errors, in the order of the file. */
  readonly models: readonly Model[];
  /** One entry per model of `models`. */
  readonly facts: readonly ModelFacts[];
  readonly diagnostics: readonly Diagnostic[];
}

export function checkSource(source: string, { set = {}, model: wanted }: CheckOptions = {}): Checked {
  const { file, diagnostics: syntax } = parse(source);
  const found: Diagnostic[] = [...syntax];
  const report: Reporter = (code, span, facts, notes) => void found.push(diagnostic(code, span, facts, notes));
  const all = inherit(file.models, report);
  const wrongItems = found.slice(syntax.length);
  const chosen = wanted === undefined ? all : all.filter((m) => m.node.name.text === wanted);
  const names = file.models.map((m) => m.name.text);
  if (wanted !== undefined && !names.includes(wanted) && names.length > 0) report("E0503", { start: 0, end: wanted.length, of: { name: "--model", text: wanted } }, { name: wanted, models: names, nearest: nearest(wanted, names) });
  const lets = new Set(chosen.flatMap((m) => [...m.sizes.values()].filter((b) => b.kind === "let").map((b) => b.key.text)));
  const before = found.length, overrides = readOverrides(set, lets, report), wrongSet = hasErrors(found.slice(before));

  const isNoise = noiseFilter(syntax, source);
  const models: Model[] = [], modelFacts: ModelFacts[] = [];
  const syntaxErrors = syntax.length > 0;
  for (const whole of chosen) {
    const own: Diagnostic[] = [];
    const checked = checkModel(whole, overrides, (code, span, facts, notes = []) => own.push(diagnostic(code, span, facts, [...notes, ...whoseNote(whole, span)])));
    // where the parser skipped something, a complaint about what it skipped would be noise
    for (const d of own) if (!whole.broken || !isNoise(d)) found.push(d);
    if (checked && !wrongSet && !whole.broken && !hasErrors(own) && !hasErrors(wrongItems.filter((d) => whole.line.some((m) => isWithin(d.span, m.span))))) {
      models.push(checked.model);
      modelFacts.push(checked.facts);
    }
  }
  const diagnostics = tidy(found);
  // a file with a wrong character outside of every model is not to be trusted either
  return syntaxErrors && models.length === all.length ? { models: [], facts: [], diagnostics } : { models, facts: modelFacts, diagnostics };
}

const isWithin = (inner: Span, outer: Span): boolean => inner.of === outer.of && inner.start >= outer.start && inner.end <= outer.end;

/** A complaint about an inherited line needs the name of the model that it is about. */
function whoseNote({ node }: Whole, span: Span): Note[] {
  return isWithin(span, node.span) || span.of ? [] : [{ text: `in model \`${node.name.text}\`, which inherits it`, span: node.name.span }];
}

const missingCodes: readonly string[] = ["E0201", "E0301", "E0305", "E0210", "E0401", "E0402", "W0315", "E0330"];

/** Complaints about what is missing, and about lines that could not be read, in models with syntax errors. */
function noiseFilter(syntax: readonly Diagnostic[], source: string): (d: Diagnostic) => boolean {
  if (syntax.length === 0) return () => false;
  const lineStart = (at: number): number => source.lastIndexOf("\n", at - 1);
  const unread = new Set(syntax.map((s) => lineStart(s.span.start)));
  return (d) => missingCodes.includes(d.code) || (d.span.of === undefined && unread.has(lineStart(d.span.start)));
}

function checkModel(inherited: Whole, overrides: readonly Override[], report: Reporter): { model: Model; facts: ModelFacts } | undefined {
  const whole = withOverrides(inherited, overrides);
  const doubts: (() => void)[] = [];
  const model = buildModel(whole, report, (code, span, facts, notes) => void doubts.push(() => report(code, span, facts, notes)));
  if (!model) return undefined;
  const resized = overrides.some((o) => o.section === "model");
  const expects = checkExpects(whole, model, resized, report);
  const settled = expects.some((e) => e.fact === "parameters" && e.result !== "skipped"); // it holds, or E0401 says more than a doubt
  if (!settled) for (const tell of doubts) tell();
  return { model, facts: { name: model.name, parameters: parameterCount(model), parts: parameterRows(model), expects } };
}

/** `doubt`: warnings that an `expect parameters` can settle. */
function buildModel(whole: Whole, report: Reporter, doubt: Reporter): Model | undefined {
  const { node } = whole;
  const tokenizer = checkTokenizer(whole, report);
  const tokenizerVocab = tokenizer && tokenizers[tokenizer].fixed ? { tokenizer_vocab: tokenizers[tokenizer].vocab } : {};
  const scope = makeScope(whole.sizes, sizeFields, tokenizerVocab, report);
  for (const key of whole.sizes.keys()) scope.read(key); // lets that nothing uses are checked, too
  const sizes = tokenizer && checkSizes(whole, scope, tokenizer, report);
  const embed = checkEmbed(whole, report);
  if (!whole.broken) for (const section of ["embed", "layer", "output"] as const) if (!whole[section]) report("E0301", node.name.span, { section, model: node.name.text, example: examples[section] });
  // without sizes the equations are checked all the same, with stand-ins, for what does not depend on them
  const standIns = sizes ?? { vocab: 256, context: 16, width: 16, layers: 1, heads: 1, kvHeads: 1, headDim: 16 };
  const hush: Reporter = sizes ? report : (code, ...rest) => { if (!sizeCodes.includes(code)) report(code, ...rest); };
  const layer = checkLayer(whole, scope, standIns, hush);
  const output = checkOutput(whole, scope, standIns, hush);
  const train = checkTrain(whole.train, scope, report);
  const sample = checkSample(whole.sample, scope, report);
  if (!sizes || !embed || !layer || !output || !tokenizer || !train || !sample) return undefined;
  const model: Model = { name: node.name.text, sizes, embed, layer, output, tokenizer, train, sample };
  if (!Number.isSafeInteger(parameterCount(model))) {
    report("E0217", node.name.span, {});
    return undefined;
  }
  const { width, heads, headDim } = sizes, given = whole.sizes.get("head_dim");
  if (given && heads * headDim !== width && !isNearMiss(width, heads, headDim)) doubt("W0214", given.value?.span ?? given.key.span, { width, heads, headDim });
  return model;
}

const examples = { embed: "embed token + position", layer: "layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }", output: "output linear(layernorm(x))" };
/** Complaints whose cause may be a missing size. */
const sizeCodes: readonly string[] = ["E0203", "E0204", "E0205", "E0212", "E0307", "E0308", "E0309", "E0310"];

/** bytes, or characters where the vocabulary is too small for bytes. */
function checkTokenizer({ tokenizer, sizes }: Whole, report: Reporter): TokenizerName | undefined {
  if (!tokenizer) {
    const vocab = sizes.get("vocab")?.value;
    return vocab?.kind === "number" && vocab.value < tokenizers.bytes.vocab ? "characters" : "bytes";
  }
  if (Object.hasOwn(tokenizers, tokenizer.text)) return tokenizer.text as TokenizerName;
  const words = Object.keys(tokenizers);
  if (tokenizer.text === "llama3" || tokenizer.text === "llama2") report("E0220", tokenizer.span, { what: `tokenizer \`${tokenizer.text}\``, instead: `use ${words.join(", ")}` });
  else report("E0208", tokenizer.span, { key: "tokenizer", word: tokenizer.text, words, nearest: nearest(tokenizer.text, words), help: tokenizer.text === "chars" ? "did you mean `characters`?" : undefined });
  return undefined;
}

function checkTrain(bindings: ReadonlyMap<string, Binding>, outer: Scope, report: Reporter): TrainSettings | undefined {
  const context = outer.read("context");
  const scope = makeScope(bindings, trainFields, typeof context === "number" ? { model_context: context } : {}, report, outer);
  const v = readAll(trainFields, scope);
  if (typeof context === "number" && typeof v.context === "number" && v.context > context)
    report("E0216", bindings.get("context")!.value!.span, { train: v.context, context }, contextNote(outer));
  if (v.lr !== undefined && v.min_lr !== undefined && v.min_lr > v.lr) report("W0219", (bindings.get("min_lr") ?? bindings.get("lr"))!.key.span, { minLr: v.min_lr, lr: v.lr });
  if (!isComplete(trainFields, v)) return undefined;
  return {
    batch: v.batch, context: v.context, steps: v.steps, accumulate: v.accumulate, lr: v.lr, minLr: v.min_lr, warmup: v.warmup, schedule: v.schedule, beta1: v.beta1, beta2: v.beta2,
    eps: v.eps, decay: v.decay, clip: v.clip, seed: v.seed, heldOut: v.held_out, evalEvery: v.eval_every, sampleEvery: v.sample_every, saveEvery: v.save_every,
  };
}

function contextNote(scope: Scope): Note[] {
  const span = scope.bindings.get("context")?.value?.span;
  return span ? [{ text: "the model's context is set here", span }] : [];
}

function checkSample(bindings: ReadonlyMap<string, Binding>, outer: Scope, report: Reporter): SampleSettings | undefined {
  const v = readAll(sampleFields, makeScope(bindings, sampleFields, {}, report, outer));
  if (!isComplete(sampleFields, v)) return undefined;
  return { temperature: v.temperature, topK: v.top_k, topP: v.top_p, minP: v.min_p, repeatPenalty: v.repeat_penalty, tokens: v.tokens, seed: v.seed };
}

function readAll<F extends typeof trainFields | typeof sampleFields>(fields: F, scope: Scope): Partial<ValuesOf<F>> {
  return Object.fromEntries(Object.keys(fields).map((key) => [key, scope.read(key)])) as Partial<ValuesOf<F>>;
}
const isComplete = <F extends typeof trainFields | typeof sampleFields>(fields: F, values: Partial<ValuesOf<F>>): values is ValuesOf<F> =>
  Object.keys(fields).every((key) => (values as Record<string, unknown>)[key] !== undefined);

// ---- expectations

function checkExpects(whole: Whole, model: Model, resized: boolean, report: Reporter): CheckedFact[] {
  const scope = makeScope(whole.sizes, sizeFields, {}, report);
  return whole.expects.flatMap(({ fact, value }): CheckedFact[] => {
    if (!isFact(fact.text)) {
      report("E0403", fact.span, { fact: fact.text, facts: factNames, nearest: nearest(fact.text, factNames) });
      return [];
    }
    const expected = readNumber(fact.text, value, scope, report);
    if (expected === undefined) return [];
    const found = facts[fact.text].of(model), result = found === expected ? "holds" : resized ? "skipped" : "fails";
    if (result === "fails" && fact.text === "parameters") report("E0401", value.span, { expected, found, nearest: explainCount(model, expected, retryOf(whole)) }, [{ text: countTable(model) }]);
    else if (result === "fails") report("E0402", value.span, { fact: fact.text, expected, found });
    return [{ fact: fact.text, expected, found, result }];
  });
}

const retryOf = (whole: Whole) => (settings: Readonly<Record<string, number>>): Model | undefined => {
  const silent: Reporter = (code) => { wrong ||= severityOf(code) === "error"; };
  let wrong = false;
  const sizes = new Map<string, Binding>([...whole.sizes, ...Object.entries(settings).map(([key, value]): [string, Binding] => {
    const span = whole.node.name.span;
    return [key, { kind: "setting", key: { kind: "word", text: key, span }, value: { kind: "number", value, span } }];
  })]);
  const model = buildModel({ ...whole, sizes }, silent, silent);
  return wrong ? undefined : model;
};

/** What each part contributes. */
function countTable(model: Model): string {
  const rows = parameterRows(model).filter((r) => r.total > 0).map((r) => [grouped(r.total), `${r.section === "layer" ? `${r.times} × ` : ""}${r.section} ${r.name}`] as const);
  const width = Math.max(...rows.map(([n]) => n.length));
  return ["the parameters are", ...rows.map(([n, name]) => `  ${n.padStart(width)}  ${name}`)].join("\n");
}
