/**
 * Texts to which a module adds tokens by itself: it runs their last tokens, draws one after each, runs these,
 * and so on, without leaving WebAssembly (the entry `generate`, contract/entries.ts). What is drawn is what
 * the sampler of sample/ draws, bit for bit. Between two calls texts may come and go, and other entries may
 * run: a text's state stays in its lane's rows of the entry's tensors.
 */
import {
  loopField,
  progressField,
  SPAN_FIELDS,
  textEnds,
  type InputName,
  type TextEnd,
} from "../contract/entries.ts";
import { samplerWords, type SamplerNumbers } from "../contract/sampler-words.ts";
import { rowFloats } from "../contract/tensor-layout.ts";
import { SinterError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import type { Entries } from "./entries.ts";
import { writeRun } from "./run-inputs.ts";

/** A text as it is given to the module. */
export interface LoopText {
  /** The number of its lane. */
  readonly lane: number;
  /**
   * All of its tokens, at most as many as the context has. The last one has not been run, the others have.
   */
  readonly tokens: readonly number[];
  /** Most tokens to add. */
  readonly most: number;
  readonly draw: SamplerNumbers;
  /** Ids that are never drawn, and ids after which the text ends. */
  readonly absent: Iterable<number>;
  readonly ends: Iterable<number>;
  readonly random: RandomState;
}

/** What a module has added to a text. */
export interface LoopTokens {
  /** With the end, where one of the text's ends was drawn. */
  readonly tokens: readonly number[];
  /** For each token ln p by the logits as they are (0 unless asked for), and by what could be drawn. */
  readonly logprobs: Float32Array;
  readonly choiceLogprobs: Float32Array;
  readonly end: TextEnd;
  /** The tokens that were run meanwhile: from the one that was the last before, to the last but one. */
  readonly ran: readonly number[];
  /** The position of the first of them. */
  readonly start: number;
  /** The state of the text's random stream. */
  readonly random: RandomState;
  /**
   * Which row of the logits was its last one: those by which no token could be drawn, where the end says so.
   */
  readonly logitsRow: number;
}

/** A loop over texts in lanes that are known by their numbers. */
export interface ModuleLoop {
  /** Most texts of one call. */
  readonly most: number;
  /** Takes a text up, in the place of its lane's last one. */
  begin(text: LoopText): void;
  /**
   * Adds up to `steps` tokens to each of these lanes' texts. Ends earlier when all texts have ended, when
   * `stop` was called, or at once when no token could be drawn for one of them.
   */
  run(lanes: readonly number[], steps: number): Promise<void>;
  /** Ends the call that runs after the step that it is at. */
  stop(): void;
  /** What was added to a lane's text since it was taken up, or since the last time. */
  added(lane: number): LoopTokens;
}

export class TextLoop implements ModuleLoop {
  readonly most: number;
  readonly #entries: Entries;
  readonly #rows: (name: InputName, lane: number) => Int32Array;
  readonly #logprobs: { readonly token: Float32Array; readonly choice: Float32Array };
  readonly #context: number;
  /** How many tokens of each lane's text the caller knows. */
  readonly #known = new Map<number, number>();

  private constructor(entries: Entries) {
    this.#entries = entries;
    const { context } = entries.manifest.model.sizes;
    this.#context = context;
    const spans = entries.words("spans")[0]!.length / rowFloats(SPAN_FIELDS);
    this.most = Math.min(spans, entries.get("generate").context);
    this.#rows = (name, lane) => {
      const { place, columns } = entries.tensor(name);
      return entries.words(name)[0]!.subarray(lane * place.rowFloats, lane * place.rowFloats + columns);
    };
    const floats = (name: InputName): Float32Array => entries.tensor(name).padded() as Float32Array;
    this.#logprobs = { token: floats("token_logprobs"), choice: floats("choice_logprobs") };
  }

  /** Undefined: the module has no such entry, as those of earlier releases. */
  static of(entries: Entries): TextLoop | undefined {
    return entries.find("generate") && new TextLoop(entries);
  }

  begin({ lane, tokens, most, draw, absent, ends, random }: LoopText): void {
    if (tokens.length === 0 || tokens.length > this.#context || most < 1)
      throw new SinterError(
        "bug",
        `${tokens.length} tokens and ${most} more in a context of ${this.#context}`,
      );
    this.#rows("texts", lane).set(tokens);
    this.#rows("samplers", lane).set(samplerWords(draw));
    setBits(this.#rows("absent", lane), absent);
    setBits(this.#rows("ends", lane), ends);
    this.#rows("random", lane).set(random.map((word) => word | 0));
    const progress = this.#rows("progress", lane);
    progress[progressField.left] = most;
    progress[progressField.end] = textEnds.indexOf("none");
    progress[progressField.length] = tokens.length;
    this.#known.set(lane, tokens.length);
  }

  run(lanes: readonly number[], steps: number): Promise<void> {
    const entries = this.#entries;
    const { control } = entries.manifest;
    const spans = lanes.map((lane) => {
      const start = this.#rows("progress", lane)[progressField.length]! - 1;
      return { lane, start, tokens: [this.#rows("texts", lane)[start]!] };
    });
    writeRun(entries, spans);
    const left = control.loop + 4 * loopField.steps;
    entries.setControl(left, steps);
    entries.setControl(control.loop + 4 * loopField.stop, 0);
    return entries.run(entries.get("generate"), lanes.length, { units: () => steps - entries.control(left) });
  }

  stop(): void {
    this.#entries.setControl(this.#entries.manifest.control.loop + 4 * loopField.stop, 1);
  }

  added(lane: number): LoopTokens {
    const known = this.#known.get(lane)!;
    const progress = this.#rows("progress", lane);
    const length = progress[progressField.length]!;
    const end = textEnds[progress[progressField.end]!]!;
    this.#known.set(lane, length);
    const tokens = this.#rows("texts", lane);
    const row = lane * rowFloats(this.#context + 1);
    const part = (floats: Float32Array): Float32Array => floats.slice(row + known, row + length);
    const [a, b, c, d] = this.#rows("random", lane);
    return {
      tokens: Array.from(tokens.subarray(known, length)),
      logprobs: part(this.#logprobs.token),
      choiceLogprobs: part(this.#logprobs.choice),
      end,
      ran: Array.from(tokens.subarray(known - 1, end === "corrupt" ? length : length - 1)),
      start: known - 1,
      random: [a! >>> 0, b! >>> 0, c! >>> 0, d! >>> 0],
      logitsRow: progress[progressField.row]!,
    };
  }
}

/** A bit for each id; ids that there is no bit for are left out. */
function setBits(words: Int32Array, ids: Iterable<number>): void {
  words.fill(0);
  for (const id of ids) if (id >> 5 < words.length) words[id >> 5]! |= 1 << (id & 31);
}
