/**
 * THE table of verbs. A verb's file is loaded only when it is asked for. To add one: write verbs/<name>.ts,
 * then its row here.
 */
import type { Verb } from "./verb.ts";

export const groups = ["specs", "learning", "using", "other formats", "measuring"] as const;

export interface VerbRow {
  readonly name: string;
  readonly group: (typeof groups)[number];
  /** One line for `sinter --help`. */
  readonly summary: string;
  load(): Promise<Verb>;
}

export const verbs: readonly VerbRow[] = [
  {
    name: "playground",
    group: "specs",
    summary: "a page in which models are written, trained and taught",
    load: async () => (await import("./playground.ts")).playgroundVerb,
  },
  {
    name: "init",
    group: "specs",
    summary: "write a commented spec to start from",
    load: async () => (await import("./init.ts")).initVerb,
  },
  {
    name: "check",
    group: "specs",
    summary: "check specs, count their parameters and bytes",
    load: async () => (await import("./check.ts")).checkVerb,
  },
  {
    name: "fmt",
    group: "specs",
    summary: "bring specs into their canonical layout",
    load: async () => (await import("./fmt.ts")).fmtVerb,
  },
  {
    name: "explain",
    group: "specs",
    summary: "explain a diagnostic's code, or what becomes of a spec",
    load: async () => (await import("./explain.ts")).explainVerb,
  },
  {
    name: "compile",
    group: "specs",
    summary: "compile a spec to a bundle of wasm modules",
    load: async () => (await import("./compile.ts")).compileVerb,
  },
  {
    name: "plan",
    group: "specs",
    summary: "what training takes on a cluster: operations, memory, time, money",
    load: async () => (await import("./plan.ts")).planVerb,
  },
  {
    name: "lsp",
    group: "specs",
    summary: "the language server that editors start",
    load: async () => (await import("./lsp.ts")).lspVerb,
  },
  {
    name: "shadow",
    group: "specs",
    summary: "the same structure in sizes that train here in seconds",
    load: async () => (await import("./shadow.ts")).shadowVerb,
  },
  {
    name: "types",
    group: "specs",
    summary: "write declaration files of specs that programs import",
    load: async () => (await import("./types.ts")).typesVerb,
  },
  {
    name: "tokenizer",
    group: "learning",
    summary: "train a tokenizer, encode and decode text",
    load: async () => (await import("./tokenizer.ts")).tokenizerVerb,
  },
  {
    name: "train",
    group: "learning",
    summary: "train a model on a text",
    load: async () => (await import("./train.ts")).trainVerb,
  },
  {
    name: "sft",
    group: "learning",
    summary: "teach a model to answer, from examples",
    load: async () => (await import("./sft.ts")).sftVerb,
  },
  {
    name: "prefer",
    group: "learning",
    summary: "teach a model which of two answers is better",
    load: async () => (await import("./prefer.ts")).preferVerb,
  },
  {
    name: "reward",
    group: "learning",
    summary: "train a model that scores answers, from pairs",
    load: async () => (await import("./reward.ts")).rewardVerb,
  },
  {
    name: "rl",
    group: "learning",
    summary: "let a model learn from rewards for its own answers",
    load: async () => (await import("./rl.ts")).rlVerb,
  },
  {
    name: "label",
    group: "learning",
    summary: "say which of two answers is better, for preference data",
    load: async () => (await import("./label.ts")).labelVerb,
  },
  {
    name: "eval",
    group: "learning",
    summary: "the loss of a trained model, and what it answers",
    load: async () => (await import("./eval.ts")).evalVerb,
  },
  {
    name: "report",
    group: "learning",
    summary: "the curves of runs, over each other or for other programs",
    load: async () => (await import("./report.ts")).reportVerb,
  },
  {
    name: "sample",
    group: "using",
    summary: "text from a trained model",
    load: async () => (await import("./sample.ts")).sampleVerb,
  },
  {
    name: "look",
    group: "using",
    summary: "what a model does with a text inside: attention, layers, neurons",
    load: async () => (await import("./look.ts")).lookVerb,
  },
  {
    name: "chat",
    group: "using",
    summary: "a conversation with a trained model",
    load: async () => (await import("./chat.ts")).chatVerb,
  },
  {
    name: "serve",
    group: "using",
    summary: "a model behind HTTP, for OpenAI's and llama.cpp's clients",
    load: async () => (await import("./serve.ts")).serveVerb,
  },
  {
    name: "page",
    group: "using",
    summary: "serve a page with a model of yours from this machine",
    load: async () => (await import("./page.ts")).pageVerb,
  },
  {
    name: "import",
    group: "other formats",
    summary: "a published model becomes a run folder",
    load: async () => (await import("./import.ts")).importVerb,
  },
  {
    name: "export",
    group: "other formats",
    summary: "a run's weights for other programs",
    load: async () => (await import("./export.ts")).exportVerb,
  },
  {
    name: "inspect",
    group: "other formats",
    summary: "what is in a file of weights",
    load: async () => (await import("./inspect.ts")).inspectVerb,
  },
  {
    name: "bench",
    group: "measuring",
    summary: "measure operations, training steps, prefill and decode",
    load: async () => (await import("./bench.ts")).benchVerb,
  },
  {
    name: "tune",
    group: "measuring",
    summary: "find the fastest tiles for a spec's shapes here",
    load: async () => (await import("./tune.ts")).tuneVerb,
  },
  {
    name: "profile",
    group: "measuring",
    summary: "where the time of a step goes, kernel by kernel",
    load: async () => (await import("./profile.ts")).profileVerb,
  },
  {
    name: "doctor",
    group: "measuring",
    summary: "what this machine can do",
    load: async () => (await import("./doctor.ts")).doctorVerb,
  },
];
