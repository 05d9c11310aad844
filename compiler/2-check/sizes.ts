/** The model's sizes, and the rules between them. */
import type { Span } from "../diagnostics/span.ts";
import type { Note, Reporter } from "../diagnostics/report.ts";
import type { Sizes } from "./model.ts";
import type { Whole } from "./inherit.ts";
import type { Scope } from "./scope.ts";
import { sizeFields, tokenizers } from "./settings.ts";
import type { TokenizerName } from "./model.ts";

type SizeKey = keyof typeof sizeFields;
const required = (Object.keys(sizeFields) as SizeKey[]).filter((key) => !sizeFields[key].initial);

const examples: Readonly<Partial<Record<SizeKey, string>>> = { context: "256", width: "128", layers: "4", heads: "4", vocab: "65" };

export function checkSizes(model: Whole, scope: Scope, tokenizer: TokenizerName, report: Reporter): Sizes | undefined {
  const { name } = model.node;
  const size = (key: SizeKey): number | undefined => scope.read(key) as number | undefined;
  const span = (key: string): Span => scope.bindings.get(key)?.value?.span ?? name.span;
  const setHere = (key: string): Note[] => (scope.bindings.has(key) ? [{ text: `${key} is set here`, span: span(key) }] : []);

  if (!model.broken) {
    const missing = [...required, ...(tokenizers[tokenizer].fixed ? [] : (["vocab"] as const))].filter((key) => !scope.bindings.has(key));
    for (const key of missing) {
      const help = key === "vocab" ? `\`tokenizer ${tokenizer}\` needs it: the number of different characters in the data, for example \`vocab 65\`` : `add for example \`${key} ${examples[key]}\``;
      report("E0201", { ...name.span, start: name.span.start }, { key, model: name.text, help });
    }
  }
  const [vocab, context, width, layers, heads, kvHeads] = (["vocab", "context", "width", "layers", "heads", "kv_heads"] as const).map(size);
  if (width !== undefined && heads !== undefined && !scope.bindings.has("head_dim") && width % heads !== 0) {
    // the younger of the two is the one to look at
    const [at, other] = isYounger(span("width"), span("heads"), model) ? ["width", "heads"] : ["heads", "width"];
    report("E0203", span(at), { width, heads }, setHere(other));
  }
  const headDim = size("head_dim");
  if (heads !== undefined && kvHeads !== undefined && heads % kvHeads !== 0) report("E0212", span("kv_heads"), { heads, kvHeads }, setHere("heads"));
  if (width !== undefined && heads !== undefined && headDim !== undefined && scope.bindings.has("head_dim") && isNearMiss(width, heads, headDim))
    report("E0213", span("width"), { width, heads, headDim }, [...setHere("heads"), ...setHere("head_dim")]);
  if (vocab !== undefined && vocab < tokenizers[tokenizer].vocab)
    report("E0215", span("vocab"), { vocab, tokenizer, least: tokenizers[tokenizer].vocab }, model.tokenizer ? [{ text: "the tokenizer is chosen here", span: model.tokenizer.span }] : []);
  if (vocab === undefined || context === undefined || width === undefined || layers === undefined || heads === undefined || kvHeads === undefined || headDim === undefined) return undefined;
  return { vocab, context, width, layers, heads, kvHeads, headDim };
}

/** heads × head_dim off by less than half a head: no design, a slip (GPT-3's 5140). */
export const isNearMiss = (width: number, heads: number, headDim: number): boolean => {
  const off = Math.abs(heads * headDim - width);
  return off > 0 && off < headDim / 2;
};

/** Whether `a` was written by the model itself or the command line, and `b` by an ancestor. */
function isYounger(a: Span, b: Span, model: Whole): boolean {
  const own = (s: Span): number => (s.of ? 2 : s.start >= model.node.span.start && s.end <= model.node.span.end ? 1 : 0);
  return own(a) > own(b);
}
