/** The model's sizes, and the rules between them. */
import type { Span } from "../diagnostics/span.ts";
import type { Note, Reporter } from "../diagnostics/report.ts";
import type { Resolved } from "./inherit.ts";
import { nearest } from "../diagnostics/nearest.ts";
import {
  layerKinds,
  type Assignment,
  type LayerKind,
  type Sizes,
  type TokenizerName,
} from "../../runtime/contract/model.ts";
import { layerParts } from "./parameters.ts";
import type { Scope } from "./scope.ts";
import { sizeFields, tokenizers } from "./settings.ts";

type SizeKey = keyof typeof sizeFields;
const keys = Object.keys(sizeFields) as readonly SizeKey[];
/** Sizes that must be given, as a small model has them. */
export const sizeExamples: Readonly<Partial<Record<SizeKey, string>>> = {
  context: "256",
  width: "128",
  layers: "4",
  heads: "4",
};

/** Most kinds of layers in a pattern. A longer one is a mistake, and would make the generated code long. */
const MAX_PATTERN = 64;

/** Returns undefined for a wrong pattern, and an empty one where all layers are alike. */
export function checkPattern({ pattern = [] }: Resolved, report: Reporter): readonly LayerKind[] | undefined {
  const isKind = (text: string): text is LayerKind => (layerKinds as readonly string[]).includes(text);
  for (const { text: word, span } of pattern)
    if (!isKind(word))
      report("E0208", span, {
        key: "a layer",
        word,
        words: layerKinds,
        nearest: nearest(word, layerKinds),
        help: undefined,
      });
  if (pattern.length > MAX_PATTERN)
    report("E0111", pattern[0]!.span, { what: "kinds of layers", count: pattern.length, limit: MAX_PATTERN });
  const kinds = pattern.map((p) => p.text);
  return kinds.every(isKind) && kinds.length <= MAX_PATTERN ? kinds : undefined;
}

/** Reports banded layers that have no band, and a band that no layer uses. */
export function checkBand(
  model: Resolved,
  scope: Scope,
  pattern: readonly LayerKind[],
  layer: readonly Assignment[],
  report: Reporter,
): void {
  const windows = layerParts({ layer }).flatMap((p) => (p.part === "attention" ? [p.window] : []));
  const given = scope.bindings.get("band");
  const banded = model.pattern?.find((p) => p.text === "banded");
  if (banded && windows.includes(undefined)) report("E0221", banded.span, {});
  if (given && pattern.length > 0 && !banded) report("W0222", given.key.span, {});
}

interface ChosenTokenizer {
  readonly name: TokenizerName;
  /** The smallest vocabulary that it works with. */
  readonly least: number;
}

export function checkSizes(
  model: Resolved,
  scope: Scope,
  tokenizer: ChosenTokenizer,
  report: Reporter,
): Sizes | undefined {
  if (!model.broken) reportMissing(model, scope, tokenizer.name, report);
  const s = Object.fromEntries(keys.map((key) => [key, scope.read(key)])) as Readonly<
    Record<SizeKey, number | undefined>
  >;
  checkHeads(s, model, scope, report);
  checkVocab(s.vocab, model, scope, tokenizer, report);
  const { vocab, context, width, layers, heads, kv_heads: kvHeads, head_dim: headDim } = s;
  if (vocab === undefined || context === undefined || width === undefined || layers === undefined)
    return undefined;
  if (heads === undefined || kvHeads === undefined || headDim === undefined) return undefined;
  return { vocab, context, width, layers, heads, kvHeads, headDim };
}

function reportMissing(
  { node: { name } }: Resolved,
  scope: Scope,
  tokenizer: TokenizerName,
  report: Reporter,
): void {
  const needed = (key: SizeKey): boolean =>
    key === "vocab" ? !tokenizers[tokenizer].fixed : !sizeFields[key].initial;
  for (const key of keys.filter((k) => needed(k) && !scope.bindings.has(k))) {
    const example = `${key} ${key === "vocab" ? 65 : sizeExamples[key]}`;
    const help =
      key === "vocab"
        ? `\`tokenizer ${tokenizer}\` needs it: ${tokenizers[tokenizer].counted}, for example \`${example}\``
        : `add for example \`${example}\``;
    report("E0201", name.span, { key, model: name.text, help, example });
  }
}

/** Where a size is set; the model's name where it is not. */
const spanOf = (key: SizeKey, model: Resolved, scope: Scope): Span =>
  scope.bindings.get(key)?.value?.span ?? model.node.name.span;

function checkHeads(
  s: Readonly<Record<SizeKey, number | undefined>>,
  model: Resolved,
  scope: Scope,
  report: Reporter,
): void {
  const { width, heads, kv_heads: kvHeads } = s;
  const at = (key: SizeKey): Span => spanOf(key, model, scope);
  const setHere = (...others: readonly SizeKey[]): Note[] =>
    others
      .filter((key) => scope.bindings.has(key))
      .map((key) => ({ text: `${key} is set here`, span: at(key) }));
  if (heads === undefined) return;
  if (width !== undefined && width % heads !== 0 && !scope.bindings.has("head_dim")) {
    // the younger of the two is the one to look at
    const widthIsYounger = generation(at("width"), model) > generation(at("heads"), model);
    const [younger, older] = widthIsYounger ? (["width", "heads"] as const) : (["heads", "width"] as const);
    report("E0203", at(younger), { width, heads, at: younger }, setHere(older));
  }
  if (kvHeads !== undefined && heads % kvHeads !== 0)
    report("E0212", at("kv_heads"), { heads, kvHeads }, setHere("heads"));
}

/**
 * Where the spec writes head_dim out, heads × head_dim need not be the width. A difference of less than half
 * a head is probably a slip (GPT-3's paper has 5140 for 5120), a larger one a misprint of the heads. Both are
 * warnings that wait in `deferred`: the spec's author may settle them by an `expect parameters` that holds.
 */
export function warnOfUnevenHeads(model: Resolved, sizes: Sizes, scope: Scope, deferred: Reporter): void {
  const { width, heads, headDim } = sizes;
  const off = Math.abs(heads * headDim - width);
  if (off === 0 || !scope.bindings.has("head_dim")) return;
  const at = (key: SizeKey): Note => ({ text: `${key} is set here`, span: spanOf(key, model, scope) });
  const set = (["heads", "head_dim"] as const).filter((key) => scope.bindings.has(key));
  const found = { width, heads, headDim };
  if (off < headDim / 2) deferred("W0213", spanOf("width", model, scope), found, set.map(at));
  else deferred("W0214", spanOf("head_dim", model, scope), found);
}

/** How young what stands at `span` is: 0 an ancestor wrote it, 1 the model itself, 2 the command line. */
function generation(span: Span, { node }: Resolved): number {
  return span.of ? 2 : span.start >= node.span.start && span.end <= node.span.end ? 1 : 0;
}

function checkVocab(
  vocab: number | undefined,
  model: Resolved,
  scope: Scope,
  { name: tokenizer, least }: ChosenTokenizer,
  report: Reporter,
): void {
  if (vocab === undefined || vocab >= least) return;
  const rows = least > tokenizers[tokenizer].vocab ? model.train.get("rows")?.value?.span : undefined;
  const notes: Note[] = [
    ...(model.tokenizer ? [{ text: "the tokenizer is chosen here", span: model.tokenizer.span }] : []),
    ...(rows ? [{ text: "one token more begins and ends the documents", span: rows }] : []),
  ];
  report("E0215", spanOf("vocab", model, scope), { vocab, tokenizer, least }, notes);
}
