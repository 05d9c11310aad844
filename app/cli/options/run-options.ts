/** Options that several verbs share: workers, target, memory, and the settings of the sampler. */
import { readSize } from "./size.ts";
import { MEMORY_LIMIT, PAGE_BYTES } from "../../../runtime/contract/memory-import.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { MAX_WORKERS } from "../../../runtime/contract/control.ts";
import { PLANNED_WORKERS } from "../../../runtime/contract/worker-memory.ts";
import { laneRange } from "../../../runtime/contract/limits.ts";
import type { SampleSettings } from "../../../runtime/contract/model.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { samplerDefaults, type SamplerSettings } from "../../../runtime/sample/sampler.ts";
import { chatFormatNames } from "../../../runtime/tokenizers/chat/chat-formats.ts";
import { named, oneWord, read, real, text, texts, whole, withDefault, type Options } from "./option.ts";
import { cacheOption, numericsOption, weightsOption } from "./weights.ts";

/** The number of threads. `help` says what the default is. */
export const workersOption = (help: string, value = "<n>") =>
  whole(value, help, { least: 1, most: MAX_WORKERS });

/** One target; undefined: the best that this machine runs. */
export const targetOption = (help = "simd, relaxed or wide (default: the best that this machine runs)") =>
  read(text("<name>", help), (given) => named("target", targets, given));

/** What a module has room for, for the compiler. */
export const memoryOptions = {
  lanes: whole(
    "<n>",
    "texts whose keys and values each module has room for: it makes a token of each at once (default: 1)",
    { least: laneRange.min, most: laneRange.max },
  ),
  memoryLimit: read(
    text(
      "<bytes>",
      `most that one memory may have with ${PLANNED_WORKERS} workers, as 1_000_000 or 512MiB; ` +
        "a model that needs more is cut into parts (default: 4 GiB)",
    ),
    bytesOf,
  ),
};

/** Reads "1_000_000" or "512MiB"; the result is at most what WebAssembly allows. */
function bytesOf(given: string, flag: string): number {
  const bytes = readSize(given);
  if (!(bytes >= PAGE_BYTES && bytes <= 2 ** 32))
    throw new SinterError(
      "usage",
      `${flag} takes bytes from 64KiB to 4GiB, not \`${given}\``,
      `for example ${flag} 512MiB`,
    );
  return Math.min(bytes, MEMORY_LIMIT);
}

/** Undefined: none but the run's own. */
export const adapterOption = text(
  "<dir>",
  "adapters that count: a run that was trained with --lora from this one, or PEFT's folder",
);

const MOST_PORT = 65_535;

/** Of a verb that listens. */
export const portOption = withDefault(
  "8080",
  whole("<n>", "port of this machine, 0 for one that is free", { least: 0, most: MOST_PORT }),
);

/** How a trained model is run. */
export const runOptions = {
  adapter: adapterOption,
  weights: weightsOption,
  cache: cacheOption,
  numerics: numericsOption,
  workers: workersOption("threads (default: as many as help)"),
  target: targetOption(),
};
export type RunOptions = Options<typeof runOptions>;

export const samplerOptions = {
  tokens: whole("<n>", "most tokens to add (default: the spec's)", { short: "n", least: 0 }),
  temp: real("<t>", "divides the logits; 0: always the likeliest token (default: the spec's)", { least: 0 }),
  topK: whole("<k>", "keep the k likeliest tokens; 0: all", { least: 0 }),
  topP: real("<p>", "keep the likeliest tokens that have probability p together; 1: all", {
    least: 0,
    most: 1,
  }),
  minP: real("<p>", "keep tokens at least p times as likely as the likeliest; 0: all", { least: 0, most: 1 }),
  repeatPenalty: real("<r>", "divides the logits of the last 64 tokens; 1: off", { least: 1e-6 }),
  stop: texts("<text>", "end before this text (may be repeated)"),
  seed: whole("<n>", "same seed, same text (default: the spec's)", { least: 0 }),
};

export type Sampling = SamplerSettings & {
  readonly tokens: number;
  readonly seed: number;
  readonly stop: readonly string[];
};

/** The settings of the spec's `sample` section, replaced by those that the command line gives. */
export const samplingOf = (spec: SampleSettings, o: Options<typeof samplerOptions>): Sampling => ({
  ...samplerDefaults,
  ...spec,
  tokens: o.tokens ?? spec.tokens,
  seed: o.seed ?? spec.seed,
  temperature: o.temp ?? spec.temperature,
  topK: o.topK ?? spec.topK,
  topP: o.topP ?? spec.topP,
  minP: o.minP ?? spec.minP,
  repeatPenalty: o.repeatPenalty ?? spec.repeatPenalty,
  stop: o.stop ?? [],
});

/** What happens when the context is full. */
export const whenFullOption = read(
  text("<what>", "when the context is full: shift (its newer half goes on) or stop"),
  (given, flag) => oneWord(["shift", "stop"], given, flag, " or "),
);

const formats = [...chatFormatNames, "plain"] as const;
export type AskedFormat = (typeof formats)[number];

/** How a model is asked. */
export const chatFormatOption = read(
  text(
    "<name>",
    `how the conversation is written: ${chatFormatNames.join(", ")}, or plain (default: the tokenizer's)`,
  ),
  (given, name) => oneWord(formats, given, name),
);
