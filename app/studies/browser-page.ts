/**
 * What app/studies/browser.ts runs in a page: Sinter and wllama take turns with the same file, the same
 * prompts and as many threads.
 */
import type * as Browser from "../../runtime/browser/index.ts";
import type { Target } from "../../runtime/contract/targets.ts";

export interface PagePlan {
  readonly bundle: string;
  readonly weights: string;
  readonly threads: number;
  readonly target: Target;
  readonly context: number;
  /** A prompt for each round: all have as many tokens and other first words. One more for warming up. */
  readonly prompts: readonly string[];
  readonly tokens: number;
  /** The programs to run, in this order. */
  readonly sides: readonly ("sinter" | "wllama")[];
}

export interface Side {
  readonly version: string;
  readonly threads: number;
  readonly loadMs: number;
  /** Tokens per second, for each round. */
  readonly prefill: readonly number[];
  readonly decode: readonly number[];
  readonly promptTokens: number;
  /** The text after the warm-up prompt. */
  readonly greedy: Greedy;
}

export interface Greedy {
  readonly text: string;
  /** Of Sinter: the ids, and the distance of each to the second best in nats. */
  readonly tokens?: readonly { readonly id: number; readonly margin: number }[];
}

export type PageFigures = Readonly<Partial<Record<PagePlan["sides"][number], Side>>>;

interface Timings {
  readonly prompt_n: number;
  readonly prompt_per_second: number;
  readonly predicted_n: number;
  readonly predicted_per_second: number;
}
interface Completion {
  readonly choices: readonly { readonly text: string }[];
  readonly timings: Timings;
}
/** What is used of @wllama/wllama. */
interface Wllama {
  loadModel(blobs: readonly Blob[], params: object): Promise<void>;
  createCompletion(params: object): Promise<Completion>;
  getNumThreads(): number;
}
interface WllamaModule {
  readonly Wllama: (new (paths: object, config: object) => Wllama) & { getLibllamaVersion(): string };
}

/** llama.cpp's threads spin for some time after their work. */
const SETTLE_MS = 500;
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));

/**
 * Engines run code of their fast compiler first; after this many tokens, the optimized code has taken over.
 * Their texts are compared.
 */
const warmUpTokens = (tokens: number): number => Math.min(tokens, 24);

interface Runner {
  readonly side: Omit<Side, "prefill" | "decode" | "promptTokens" | "greedy">;
  /** Throws when there are not as many tokens as asked for. */
  round(
    prompt: string,
  ): Promise<{ readonly prefill: number; readonly decode: number; readonly promptTokens: number }>;
  greedy(prompt: string): Promise<Greedy>;
}

export async function measure(plan: PagePlan, say: (line: string) => void): Promise<PageFigures> {
  const { sides } = plan;
  const runners: Runner[] = [];
  for (const side of sides) {
    runners.push(await (side === "sinter" ? startSinter : startWllama)(plan));
    say(`${side} is loaded after ${runners.at(-1)!.side.loadMs.toFixed(0)} ms`);
  }
  const [warmUp, ...prompts] = plan.prompts;
  const figures = runners.map(() => ({ prefill: [] as number[], decode: [] as number[], promptTokens: 0 }));
  const greedy: Greedy[] = [];
  for (const runner of runners) {
    greedy.push(await runner.greedy(warmUp!));
    await settle();
  }
  for (const [i, prompt] of prompts.entries())
    for (const [r, runner] of runners.entries()) {
      const { prefill, decode, promptTokens } = await runner.round(prompt);
      const { prefill: p, decode: d } = figures[r]!;
      p.push(prefill);
      d.push(decode);
      figures[r]!.promptTokens = promptTokens;
      say(`round ${i + 1}, ${sides[r]}: ${prefill.toFixed(1)} and ${decode.toFixed(1)} tok/s`);
      await settle();
    }
  const sideOf = (r: number): Side => ({ ...runners[r]!.side, ...figures[r]!, greedy: greedy[r]! });
  return Object.fromEntries(sides.map((side, r) => [side, sideOf(r)]));
}

async function startSinter({ bundle, weights, threads, target, tokens }: PagePlan): Promise<Runner> {
  const { openModel } = await (import("/sinter/browser/index.js" as string) as Promise<typeof Browser>);
  const began = performance.now();
  const model = await openModel({ bundle, weights, workers: threads, target });
  const loadMs = performance.now() - began;
  return {
    side: { version: `${model.name}, ${model.target}`, threads: model.workers, loadMs },
    async round(prompt) {
      const made = await model.generate(prompt, { tokens, temperature: 0 }).result;
      if (made.tokens.length !== tokens)
        throw new Error(`Sinter ended after ${made.tokens.length} tokens: ${made.reason}`);
      if (made.cachedTokens > 0)
        throw new Error(`${made.cachedTokens} tokens of the prompt were in the cache`);
      return {
        prefill: (1000 * made.promptTokens) / made.prefillMs,
        decode: (1000 * (tokens - 1)) / made.decodeMs,
        promptTokens: made.promptTokens,
      };
    },
    async greedy(prompt) {
      const { text, logprobs = [] } = await model.generate(prompt, {
        tokens: warmUpTokens(tokens),
        temperature: 0,
        logprobs: 2,
      }).result;
      return {
        text,
        tokens: logprobs.map(({ id, top }) => ({ id, margin: top[0]!.logprob - top[1]!.logprob })),
      };
    },
  };
}

async function startWllama({ weights, threads, context, tokens }: PagePlan): Promise<Runner> {
  const { Wllama } = await (import("/wllama/index.js" as string) as Promise<WllamaModule>);
  const began = performance.now();
  const wllama = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { suppressNativeLog: true });
  await wllama.loadModel([await (await fetch(weights)).blob()], {
    n_threads: threads,
    n_ctx: context,
    n_batch: context,
    n_gpu_layers: 0,
    seed: 1,
    warmup: true,
  });
  const loadMs = performance.now() - began;
  const ask = { max_tokens: tokens, temperature: 0, top_k: 1, ignore_eos: true, cache_prompt: false };
  return {
    side: { version: `libllama ${Wllama.getLibllamaVersion()}`, threads: wllama.getNumThreads(), loadMs },
    async round(prompt) {
      const { timings: t } = await wllama.createCompletion({ ...ask, prompt });
      if (t.predicted_n !== tokens) throw new Error(`wllama ended after ${t.predicted_n} tokens`);
      return { prefill: t.prompt_per_second, decode: t.predicted_per_second, promptTokens: t.prompt_n };
    },
    async greedy(prompt) {
      return {
        text: (await wllama.createCompletion({ ...ask, prompt, max_tokens: warmUpTokens(tokens) }))
          .choices[0]!.text,
      };
    },
  };
}
