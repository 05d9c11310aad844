/**
 * Resolves `like`: a model consists of its ancestors' items, oldest first, each replaced where a younger
 * model says otherwise. Expectations are not inherited, since they are facts about one model.
 */
import type { Item, ModelNode, Setting, Value, Word } from "../1-parse/ast.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import { isPart } from "./parts.ts";
import { stageNames } from "../../runtime/contract/model.ts";
import type { NameRecorder, SymbolKind } from "./record.ts";
import type { Binding } from "./scope.ts";
import {
  laterSettings,
  otherNames,
  sampleFields,
  sectionFields,
  sizeFields,
  trainFields,
} from "./settings.ts";
import { blockFields, blockNames, loraOf, type BlockName } from "./stages.ts";

type ItemOf<K extends Item["kind"]> = Extract<Item, { kind: K }>;
type Section = ItemOf<"section">["section"];

export type StageBlocks = ReadonlyMap<BlockName, ReadonlyMap<string, Binding>>;

/** What one model declares itself. */
export interface Declared {
  readonly sizes: ReadonlyMap<string, Binding>;
  readonly train: ReadonlyMap<string, Binding>;
  readonly sample: ReadonlyMap<string, Binding>;
  /** The blocks of stages that are there. */
  readonly stages: StageBlocks;
  readonly embed?: ItemOf<"embed">;
  readonly layer?: ItemOf<"layer">;
  readonly output?: ItemOf<"output">;
  readonly head?: ItemOf<"head">;
  /** A spec's own, by name. */
  readonly objectives: ReadonlyMap<string, ItemOf<"objective">>;
  readonly tokenizer?: Word;
  /** The kinds of layers that stand behind `alternate` in `layers 12 alternate dense, banded`. */
  readonly pattern?: readonly Word[];
}

/** A model with what it inherits. */
export interface Resolved extends Declared {
  readonly node: ModelNode;
  /** The model, its parent, its parent's parent … */
  readonly line: readonly ModelNode[];
  readonly expects: readonly ItemOf<"expect">[];
  /** There is a syntax error in it or in an ancestor, so that something may seem missing that was written. */
  readonly broken: boolean;
}

const MAX_ANCESTORS = 64;

/** Models in the order of the text. Those whose `like` leads nowhere are left out, and reported. */
export function inherit(models: readonly ModelNode[], report: Reporter, record: NameRecorder): Resolved[] {
  const byName = new Map<string, ModelNode>();
  for (const model of models) {
    record.define("model", model.name);
    const first = byName.get(model.name.text);
    if (first)
      report("E0332", model.name.span, { name: model.name.text }, [
        { text: "the first is here", span: first.name.span },
      ]);
    else byName.set(model.name.text, model);
  }
  const declared = new Map(models.map((m) => [m, readItems(m, report, record)]));
  return models.flatMap((node) => {
    if (byName.get(node.name.text) !== node) return [];
    const line = ancestry(node, byName, report, record);
    if (!line) return [];
    const resolved = line
      .map((m): Declared => declared.get(m)!)
      .reduce((younger, older) => {
        for (const [one, other] of namedTwice(older, younger)) record.same(one.span, other.span);
        return merge(older, younger);
      });
    return [
      { ...resolved, node, line, expects: declared.get(node)!.expects, broken: line.some((m) => m.broken) },
    ];
  });
}

/** The model, its parent, its parent's parent … */
function ancestry(
  node: ModelNode,
  byName: ReadonlyMap<string, ModelNode>,
  report: Reporter,
  record: NameRecorder,
): ModelNode[] | undefined {
  const line = [node];
  const seen = new Set([node.name.text]);
  for (let at = node; at.like;) {
    const parent = byName.get(at.like.text);
    if (!parent) {
      const others = [...byName.keys()].filter((n) => n !== at.name.text);
      report("E0330", at.like.span, {
        name: at.like.text,
        nearest: nearest(at.like.text, others),
        models: others,
      });
      return undefined;
    }
    record.use(at.like, parent.name.span);
    if (seen.has(parent.name.text)) {
      const start = line.findIndex((m) => m.name.text === parent.name.text);
      // every model of the circle finds it: tell it once, at the first of them in the text
      const circle = line.slice(start);
      const first = circle.reduce((a, b) => (a.span.start < b.span.start ? a : b));
      const rotated = [
        ...circle.slice(circle.indexOf(first)),
        ...circle.slice(0, circle.indexOf(first)),
        first,
      ];
      report("E0331", first.like!.span, { chain: rotated.map((m) => m.name.text) });
      return undefined;
    }
    if (line.length >= MAX_ANCESTORS) {
      report("E0111", at.like.span, {
        what: "models that are like one another in a row",
        count: line.length + 1,
        limit: MAX_ANCESTORS,
      });
      return undefined;
    }
    seen.add(parent.name.text);
    line.push(parent);
    at = parent;
  }
  return line;
}

const merge = (older: Declared, younger: Declared): Declared => ({
  ...older,
  ...younger,
  sizes: new Map([...older.sizes, ...younger.sizes]),
  train: new Map([...older.train, ...younger.train]),
  sample: new Map([...older.sample, ...younger.sample]),
  stages: mergedStages(older.stages, younger.stages),
  objectives: new Map([...older.objectives, ...younger.objectives]),
});

/** Settings, lets and objectives that a model gives anew, each with the one that it replaces. */
const namedTwice = (older: Declared, younger: Declared): (readonly [Word, Word])[] => [
  ...pairs(older.sizes, younger.sizes).map(([one, other]) => [one.key, other.key] as const),
  ...pairs(older.objectives, younger.objectives).map(([one, other]) => [one.name, other.name] as const),
];

const pairs = <T>(older: ReadonlyMap<string, T>, younger: ReadonlyMap<string, T>): (readonly [T, T])[] =>
  [...younger].flatMap(([key, item]) => (older.has(key) ? [[older.get(key)!, item] as const] : []));

const mergedStages = (older: StageBlocks, younger: StageBlocks): StageBlocks =>
  new Map(
    [...older, ...younger].map(([block]) => [
      block,
      new Map([...(older.get(block) ?? []), ...(younger.get(block) ?? [])]),
    ]),
  );

/** What a model may hold several of. */
type Several = "sizes" | Section | "stages" | "objectives";
type Own = Declared & { readonly expects: readonly ItemOf<"expect">[] };

function readItems(model: ModelNode, report: Reporter, record: NameRecorder): Own {
  const reader = new ItemReader(report, record);
  for (const item of model.items) reader.read(item);
  return reader.declared();
}

/** Sorts a model's items, and reports those that are given twice or not known. */
class ItemReader {
  private readonly report: Reporter;
  private readonly record: NameRecorder;
  private readonly sizes = new Map<string, Binding>();
  private readonly sections = { train: new Map<string, Binding>(), sample: new Map<string, Binding>() };
  private readonly stages = new Map<BlockName, Map<string, Binding>>();
  private readonly objectives = new Map<string, ItemOf<"objective">>();
  private readonly single: { -readonly [K in keyof Omit<Declared, Several>]: Declared[K] } = {};
  private readonly expects: ItemOf<"expect">[] = [];
  /** What was given so far, and where. */
  private readonly given = new Map<string, Span>();

  constructor(report: Reporter, record: NameRecorder) {
    this.report = report;
    this.record = record;
  }

  declared(): Own {
    const { sizes, sections, stages, objectives, single, expects } = this;
    return { sizes, ...sections, stages, objectives, ...single, expects };
  }

  read(item: Item): void {
    const { report, single } = this;
    switch (item.kind) {
      case "setting":
        if (knownSize(item, report)) this.bind(this.sizes, "setting", item.key, item.value);
        if (item.pattern && patternBelongs(item, report)) single.pattern = item.pattern;
        break;
      case "let":
        if (freeName(item.name, report)) this.bind(this.sizes, "let", item.name, item.value);
        break;
      case "section":
        if (this.isFirst(item.section, keywordSpan(item))) this.readSection(item);
        break;
      case "stage":
        if (this.isFirst(item.stage, keywordSpan(item))) this.readStage(item);
        break;
      case "objective":
        this.record.define("objective", item.name);
        if (this.isFirst(`objective ${item.name.text}`, item.name.span))
          this.objectives.set(item.name.text, item);
        break;
      case "head":
        this.record.define("head", item.name);
        if (this.isFirst("head", keywordSpan(item))) single.head = item;
        break;
      case "embed":
        if (this.isFirst("embed", keywordSpan(item))) single.embed = item;
        break;
      case "layer":
        if (this.isFirst("layer", keywordSpan(item))) single.layer = item;
        break;
      case "output":
        if (this.isFirst("output", keywordSpan(item))) single.output = item;
        break;
      case "tokenizer":
        if (this.isFirst("tokenizer", keywordSpan(item))) single.tokenizer = item.name;
        break;
      case "expect":
        if (this.isFirst(`expect ${item.fact.text}`, item.fact.span)) this.expects.push(item);
        break;
    }
  }

  private readSection({ section, settings }: ItemOf<"section">): void {
    for (const s of settings) if (s.pattern) patternBelongs(s, this.report);
    for (const s of settings)
      if (knownIn(section, s, this.report))
        this.bind(this.sections[section], "setting", s.key, s.value, `${section} ${s.key.text}`);
  }

  private readStage({ stage, settings, lora }: ItemOf<"stage">): void {
    this.readBlock(stage, settings);
    if (lora) this.readBlock(loraOf(stage), lora.settings);
  }

  private readBlock(block: BlockName, settings: readonly Setting[]): void {
    const into = new Map<string, Binding>();
    this.stages.set(block, into);
    for (const s of settings) if (s.pattern) patternBelongs(s, this.report);
    for (const s of settings)
      if (knownInStage(block, s, this.report))
        this.bind(into, "setting", s.key, s.value, `${block} ${s.key.text}`);
  }

  private bind(
    into: Map<string, Binding>,
    kind: Binding["kind"] & SymbolKind,
    key: Word,
    value: Value | undefined,
    what = key.text,
  ): void {
    this.record.define(kind, key);
    if (this.isFirst(what, key.span)) into.set(key.text, { kind, key, value });
  }

  private isFirst(what: string, span: Span): boolean {
    const before = this.given.get(what);
    if (before) this.report("E0206", span, { what }, [{ text: "the first is here", span: before }]);
    else this.given.set(what, span);
    return !before;
  }
}

/** The word that begins an item: where "given twice" points. */
function keywordSpan(item: Exclude<Item, { kind: "setting" | "let" | "expect" | "objective" }>): Span {
  const keyword = item.kind === "section" ? item.section : item.kind === "stage" ? item.stage : item.kind;
  return { ...item.span, end: item.span.start + keyword.length };
}

function patternBelongs({ key, pattern }: Setting, report: Reporter): boolean {
  if (key.text !== "layers") report("E0223", pattern![0]!.span, { key: key.text });
  return key.text === "layers";
}

// ---- names that are settings, and help for those that are not

/** Our word for a name that other tools use: n_layer → layers. */
const ourWord = (name: string): string | undefined =>
  Object.hasOwn(otherNames, name) ? otherNames[name] : undefined;
/** What other tools call settings of stages. */
const stageNamesOfOthers: Readonly<Record<string, string>> = {
  r: "rank",
  lora_rank: "rank",
  lora_r: "rank",
  lora_alpha: "alpha",
  target_modules: "on",
  lora_target: "on",
  max_length: "context",
  sequence_len: "context",
  cutoff_len: "context",
  template: "chat_format",
  chat_template: "chat_format",
  sample_packing: "packing",
  train_on_inputs: "loss",
  completion_only_loss: "loss",
  assistant_only_loss: "loss",
  early_stopping_patience: "patience",
  loss_type: "objective",
  pref_loss: "objective",
  pref_beta: "beta",
  pref_ftx: "nll",
  num_generations: "group",
  max_completion_length: "answer",
  max_new_tokens: "answer",
  num_iterations: "updates",
  epsilon: "clip",
  epsilon_high: "clip_high",
  scale_rewards: "advantage",
  kl_coef: "kl",
};
const modelWords: readonly string[] = [
  ...Object.keys(sizeFields),
  "tokenizer",
  "embed",
  "layer",
  "output",
  "train",
  "sample",
  "expect",
  "objective",
  "head",
  ...stageNames,
];

function knownSize({ key, value }: Setting, report: Reporter): boolean {
  const name = key.text;
  const ours = ourWord(name) ?? name;
  if (Object.hasOwn(sizeFields, name)) return true;
  if (!value) return false; // reported already: a stray word
  const section = Object.hasOwn(trainFields, ours)
    ? "train"
    : Object.hasOwn(sampleFields, ours)
      ? "sample"
      : undefined;
  const help = Object.hasOwn(sizeFields, ours)
    ? undefined
    : section
      ? `it belongs in \`${section} { ${ours} … }\``
      : isPart(name)
        ? "parts belong in `layer { x += … }`"
        : undefined;
  refuseName(key, "a model", ours === name ? nearest(name, modelWords) : ours, help, report);
  return false;
}

function knownIn(section: "train" | "sample", { key }: Setting, report: Reporter): boolean {
  const name = key.text;
  const fields = sectionFields[section];
  const elsewhere = section === "train" ? "sample" : "train";
  if (Object.hasOwn(fields, name)) return true;
  const help = Object.hasOwn(sizeFields, name)
    ? "it belongs in the model itself"
    : Object.hasOwn(sectionFields[elsewhere], name)
      ? `it belongs in \`${elsewhere}\``
      : undefined;
  refuseName(key, `\`${section}\``, ourWord(name) ?? nearest(name, Object.keys(fields)), help, report);
  return false;
}

function knownInStage(block: BlockName, { key }: Setting, report: Reporter): boolean {
  const name = key.text;
  const fields = blockFields[block];
  if (Object.hasOwn(fields, name)) return true;
  if (block === "rl" && Object.hasOwn(sampleFields, name) && name !== "tokens") {
    report("E0607", key.span, { name });
    return false;
  }
  const elsewhere = blockNames.find((other) => Object.hasOwn(blockFields[other], name));
  const help = elsewhere
    ? `it belongs in \`${elsewhere.replace(".", " { ")} { … }${elsewhere.includes(".") ? " }" : ""}\``
    : Object.hasOwn(sizeFields, name)
      ? "it belongs in the model itself"
      : undefined;
  const where = `\`${block.replace(".", " { ")}\``;
  const other = stageNamesOfOthers[name] ?? ourWord(name);
  refuseName(key, where, other ?? nearest(name, Object.keys(fields)), other ? undefined : help, report);
  return false;
}

function refuseName(
  { text: key, span }: Word,
  where: string,
  near: string | undefined,
  help: string | undefined,
  report: Reporter,
): void {
  if (Object.hasOwn(laterSettings, key))
    report("E0220", span, { what: `\`${key}\``, instead: laterSettings[key] });
  else report("E0202", span, { key, where, nearest: near, help });
}

/** Names that equations and lets may not take. */
export function takenName(name: string): string | undefined {
  if (Object.hasOwn(sizeFields, name)) return "a setting";
  if (isPart(name)) return "a part";
  return undefined;
}

function freeName(name: Word, report: Reporter): boolean {
  const what = name.text === "x" ? "the value of the equations" : takenName(name.text);
  if (what === undefined) return true;
  const help = what === "a setting" ? `write \`${name.text} …\` without \`let\`` : "choose another name";
  report("E0218", name.span, { name: name.text, what, help });
  return false;
}
