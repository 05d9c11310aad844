/**
 * Rollouts: answers that a model samples to prompts, for what learns from them. As many grow at once as the
 * module has lanes, in its own loop (engine/lane-loop.ts); where one ends, the next one begins. Answers to
 * one prompt run it once and copy its keys and values.
 *
 * An answer has a random stream of its own, named by its key. So it depends on the weights, its prompt, its
 * key and the options alone: not on the lanes, its neighbours, their order, the workers, or on whether an
 * earlier call was interrupted.
 */
import { SinterError } from "../base/errors.ts";
import { randomStream } from "../base/random.ts";
import type { Lane, LaneTokens } from "../engine/lane.ts";
import { nextSteps } from "../engine/lane-loop.ts";
import type { Lanes } from "../engine/lanes.ts";
import type { RunningModel } from "../engine/model.ts";
import type { LoopTokens } from "../engine/text-loop.ts";

/** An answer that is asked for. */
export interface Ask {
  readonly prompt: readonly number[];
  /** Names its random stream beside the seed: [step, the prompt's number, the answer's number]. */
  readonly key: readonly (string | number)[];
}

export interface RollOutOptions {
  /** Most tokens of an answer. It may have fewer where the context ends. */
  readonly most: number;
  /** Ids that end an answer. */
  readonly ends: readonly number[];
  /** 0: the likeliest token, always. Nothing else changes the distribution that is drawn from. */
  readonly temperature: number;
  readonly seed: number;
  /** Ids that are never drawn: those that the tokenizer lacks. */
  readonly absent?: readonly number[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Rollout {
  /** With the end, where one was drawn: to stop there is part of what is learnt. */
  readonly tokens: readonly number[];
  /**
   * ln p of each token by what it was drawn from: the softmax of the logits at the temperature, over all ids
   * but the absent ones. 0 where the temperature is 0.
   */
  readonly logprobs: Float32Array;
  /** Its last token is one of the ends. Else it was cut off: it has all tokens that it may have. */
  readonly ended: boolean;
}

/**
 * Samples an answer to each of the prompts, and returns them in their order. Has the model to itself
 * meanwhile, so all answers are of the same weights. Waits where others have opened all lanes for themselves.
 * Rejects with the signal's reason when the signal comes; throws `input` for a prompt that does not fit into
 * the context, and `corrupt` where logits are not numbers.
 */
export async function rollOut(
  model: RunningModel,
  asks: readonly Ask[],
  options: RollOutOptions,
): Promise<readonly Rollout[]> {
  const answers = asks.map((ask) => new GrowingAnswer(ask));
  for (const [i, { prompt }] of asks.entries()) check(model, prompt, i);
  const [first] = answers;
  if (!first) return [];
  const { signal } = options;
  try {
    await model.openLane(first, { signal });
    await model.inTurn((lanes) => growAll(model, lanes, answers, options), signal);
  } finally {
    for (const answer of answers) model.closeLane(answer);
  }
  return answers.map((answer) => answer.made());
}

function check(model: RunningModel, prompt: readonly number[], number: number): void {
  const { context, vocab } = model.manifest.model.sizes;
  const where = `prompt ${number} of the rollouts`;
  if (prompt.length === 0 || prompt.length > context)
    throw new SinterError(
      "input",
      `${where} has ${prompt.length} tokens, the context ${context}`,
      "A prompt has at least one token, and an answer begins within the context.",
    );
  const unknown = prompt.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocab));
  if (unknown !== undefined)
    throw new SinterError("input", `${where} has token ${unknown}, the vocabulary ${vocab}`);
}

/** An answer while it grows. It owns the lane that it is in. */
class GrowingAnswer {
  readonly ask: Ask;
  /** Prompts that are the same have the same name. */
  readonly promptName: string;
  lane: Lane | undefined;
  /** How many of the prompt's tokens are in the lane. The last one runs with the first draw. */
  #at = 0;
  #tokens: number[] = [];
  #logprobs: number[] = [];
  #ended = false;

  constructor(ask: Ask) {
    this.ask = ask;
    this.promptName = ask.prompt.join();
  }

  /** Tokens of the prompt that have to be run before one is drawn. */
  get left(): number {
    return this.ask.prompt.length - 1 - this.#at;
  }

  /** Begins with what some lane has of the prompt. */
  takeOver(lanes: Lanes): void {
    this.#at = lanes.consistent ? lanes.takeOver(this.lane!, this.ask.prompt, WORTH_COPYING) : 0;
    this.lane!.holder = this;
  }

  /** The prompt's next tokens that run, `most` at the most. */
  nextOfPrompt(most: number): LaneTokens {
    const start = this.#at;
    const tokens = this.ask.prompt.slice(start, Math.min(start + most, this.ask.prompt.length - 1));
    this.#at += tokens.length;
    return { lane: this.lane!, start, tokens };
  }

  /** Takes over what was drawn, and says whether the answer goes on. */
  take({ tokens, choiceLogprobs, end }: LoopTokens): boolean {
    for (const token of tokens) this.#tokens.push(token);
    for (const logprob of choiceLogprobs) this.#logprobs.push(logprob);
    if (end === "corrupt")
      throw new SinterError(
        "corrupt",
        `no token can be drawn after ${this.#tokens.length} tokens of the answer ${this.ask.key.join("/")}`,
        "Its logits are not numbers, or all ids that could be drawn are absent: look at the latest losses.",
      );
    this.#ended = end === "end of text";
    return end === "none";
  }

  made(): Rollout {
    return { tokens: this.#tokens, logprobs: Float32Array.from(this.#logprobs), ended: this.#ended };
  }
}

/** How many tokens of each answer are drawn before it is known how long one takes. */
const FIRST_STEPS = 4;
/**
 * Milliseconds that tokens are drawn for without the host, which costs a millisecond each time where several
 * workers begin and end. A signal is heard meanwhile, unless the host's own thread is the only worker.
 */
const PIECE_MS = 50;
/** The same where answers wait for the lanes of those that have ended meanwhile. */
const REFILL_MS = 8;
/** A prompt costs a run of its own, so even short ones are copied. */
const WORTH_COPYING = 1;

async function growAll(
  model: RunningModel,
  lanes: Lanes,
  answers: readonly GrowingAnswer[],
  options: RollOutOptions,
): Promise<void> {
  const { loop } = lanes;
  if (!loop)
    throw new SinterError(
      "input",
      "this module does not draw tokens by itself, so it makes no rollouts",
      "It is of an earlier release: compile the model again.",
    );
  const { signal } = options;
  const waiting = [...answers];
  let growing: GrowingAnswer[] = [];
  let steps = FIRST_STEPS;
  while (waiting.length + growing.length > 0) {
    signal?.throwIfAborted();
    const begun = seat(lanes, waiting, loop.most - growing.length);
    await runPrompts(lanes, begun, signal);
    for (const answer of begun) beginIn(lanes, answer, options);
    growing.push(...begun);
    const began = performance.now();
    const added = await loop.draw(
      growing.map(({ lane }) => lane!),
      steps,
      signal,
    );
    const ran = Math.max(...added.map((tokens) => tokens.ran.length));
    steps = nextSteps(steps, (performance.now() - began) / ran, waiting.length > 0 ? REFILL_MS : PIECE_MS);
    growing = growing.filter((answer, i) => {
      const goesOn = answer.take(added[i]!);
      if (!goesOn) model.closeLane(answer);
      return goesOn;
    });
  }
}

/** The next ones that wait get lanes, as many as there are. */
function seat(lanes: Lanes, waiting: GrowingAnswer[], most: number): GrowingAnswer[] {
  const seated: GrowingAnswer[] = [];
  while (waiting.length > 0 && seated.length < most) {
    const [next] = waiting as [GrowingAnswer];
    next.lane = lanes.reserve(next, next.ask.prompt);
    if (!next.lane) break;
    seated.push(next);
    waiting.shift();
  }
  return seated;
}

/**
 * Brings the prompts into their lanes, but for their last tokens. The first answer to a prompt runs it; those
 * to the same prompt take it over from there.
 */
async function runPrompts(
  lanes: Lanes,
  begun: readonly GrowingAnswer[],
  signal?: AbortSignal,
): Promise<void> {
  const firsts = new Map(begun.toReversed().map((answer) => [answer.promptName, answer]));
  const isFirst = (answer: GrowingAnswer): boolean => firsts.get(answer.promptName) === answer;
  for (const some of [begun.filter(isFirst), begun.filter((answer) => !isFirst(answer))]) {
    for (const answer of some) answer.takeOver(lanes);
    for (let left = some; (left = left.filter((answer) => answer.left > 0)).length > 0;) {
      signal?.throwIfAborted();
      let room = lanes.chunk;
      const spans = left.flatMap((answer) => {
        const span = answer.nextOfPrompt(room);
        room -= span.tokens.length;
        return span.tokens.length > 0 ? [span] : [];
      });
      await lanes.run(spans);
    }
  }
}

function beginIn({ loop, classes }: Lanes, { lane, ask }: GrowingAnswer, o: RollOutOptions): void {
  loop!.begin(lane!, {
    tokens: ask.prompt,
    most: o.most,
    draw: { ...wholeDistribution, temperature: o.temperature, ids: classes },
    absent: o.absent ?? [],
    ends: o.ends,
    random: randomStream(o.seed, ["rollout", ...ask.key].join("/")).state(),
  });
}

/** Nothing is cut off, so that what is drawn has the probability that the training computes. */
const wholeDistribution = {
  topK: 0,
  topP: 1,
  minP: 0,
  repeatPenalty: 1,
  repeatLast: 0,
  logprobs: false,
};
