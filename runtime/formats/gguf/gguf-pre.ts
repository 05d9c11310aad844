/**
 * The pre-tokenizers that GGUF files name (tokenizer.ggml.pre), with the steps that the tokenizer.json of the
 * models behind those names has. llama.cpp's list of names is in its src/llama-vocab.cpp. A file with a name
 * that is not in this table loses its tokenizer, not its model.
 */
import { pieceRules, ruleOf, type PieceRuleName } from "../../tokenizers/bpe/pieces.ts";

/**
 * A step of a pre-tokenizer. The last step, which turns text into bytes, is the same for all and left out.
 */
export type PreStep = { readonly rule: PieceRuleName } | "digit" | "gpt2";

export interface GgufPre {
  readonly names: readonly string[];
  readonly steps: readonly PreStep[];
  /** A piece of the text that is a token becomes that token, whatever the merges say. */
  readonly wholePieces?: boolean;
  /** Whether bos_token begins every text, for files that do not say it. */
  readonly addsBegin?: boolean;
}

const rule = (name: PieceRuleName): PreStep => ({ rule: name });

/**
 * The table. The first name of a row is the one that is written. Files of GPT-2 that are older than the key
 * have "default".
 */
export const ggufPres: readonly GgufPre[] = [
  {
    names: [
      "gpt-2",
      "gpt2",
      "default",
      "phi-2",
      "jina-es",
      "jina-de",
      "jina-v2-es",
      "jina-v2-de",
      "gigachat",
      "a.x-4.0",
      "mellum",
      "modern-bert",
      "exaone4",
      "mpt",
      "olmo",
      "jais",
      "trillion",
      "granite-docling",
    ],
    steps: ["gpt2"],
  },
  {
    names: [
      "llama-bpe",
      "llama3",
      "llama-v3",
      "falcon3",
      "falcon-h1",
      "pixtral",
      "midm-2.0",
      "lfm2",
      "jina-v5-nano",
    ],
    steps: [rule("llama3")],
    wholePieces: true,
    addsBegin: true,
  },
  { names: ["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"], steps: [rule("llama3")] },
  {
    names: [
      "qwen2",
      "deepseek-r1-qwen",
      "kormo",
      "f2llmv2",
      "megrez",
      "stablelm2",
      "hunyuan",
      "solar-open",
      "grok-2",
    ],
    steps: [rule("qwen2")],
  },
  {
    names: ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
    steps: ["digit", "gpt2"],
  },
  { names: ["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], steps: [rule("o200k")] },
  { names: ["tekken"], steps: [rule("tekken")], wholePieces: true, addsBegin: true },
  { names: ["qwen35"], steps: [rule("qwen35")] },
  { names: ["seed-coder"], steps: [rule("seed")] },
  { names: ["bailingmoe", "bailingmoe2", "llada-moe"], steps: [rule("bailing")] },
];

export const ggufPreNamed = (name: unknown): GgufPre | undefined =>
  ggufPres.find(({ names }) => (names as readonly unknown[]).includes(name));

const byteLevel = (use_regex: boolean): object => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
});
export const byteLevelDecoder = byteLevel(true);

/** The `pre_tokenizer` of a tokenizer.json. */
export function preTokenizerJson({ steps }: Pick<GgufPre, "steps">): object {
  const own = steps.at(-1) === "gpt2";
  const before = (own ? steps.slice(0, -1) : steps).map((step): object => {
    if (step === "digit") return { type: "Digits", individual_digits: true };
    const { published } = pieceRules[step === "gpt2" ? step : step.rule];
    return { type: "Split", pattern: { Regex: published[0] }, behavior: "Isolated", invert: false };
  });
  if (before.length === 0) return byteLevel(own);
  return { type: "Sequence", pretokenizers: [...before, byteLevel(own)] };
}

interface JsonStep {
  readonly type?: string;
  readonly use_regex?: boolean;
  readonly individual_digits?: boolean;
  readonly pattern?: { readonly Regex?: string };
  readonly behavior?: string;
  readonly invert?: boolean;
  readonly pretokenizers?: readonly JsonStep[];
}

/** The row with these steps; undefined where GGUF has no name for them. */
export function ggufPreOf(preTokenizer: unknown, wholePieces: boolean): GgufPre | undefined {
  const wanted = signature(preTokenizer as JsonStep | undefined | null);
  return ggufPres.find(
    (pre) =>
      (pre.wholePieces ?? false) === wholePieces && signature(preTokenizerJson(pre) as JsonStep) === wanted,
  );
}

/** A text that is equal for steps that do the same. */
function signature(step: JsonStep | undefined | null): string {
  if (!step) return "";
  switch (step.type) {
    case "Sequence":
      return (step.pretokenizers ?? [])
        .map(signature)
        .filter((part) => part !== "")
        .join(" then ");
    case "ByteLevel":
      return step.use_regex === false ? "" : "gpt2";
    case "Digits":
      return step.individual_digits === true ? "digit" : "digits";
    case "Split": {
      const expression = step.pattern?.Regex;
      const plain = step.behavior === "Isolated" && step.invert !== true;
      if (!plain || expression === undefined) return JSON.stringify(step);
      return ruleOf(expression) ?? JSON.stringify(expression);
    }
    default:
      return JSON.stringify(step);
  }
}
