/**
 * A person who is a program teaches a model (experiment X19): of two answers it likes the kinder one, and
 * errs as people do (Bradley & Terry 1952). What the judge has learnt from 60 of its choices is measured by
 * 400 pairs that nobody has seen, without the noise; what the model has learnt from the judge, by what the
 * program itself thinks of its answers. The negative control shuffles the choices among the pairs.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel } from "../../../compiler/compile.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import type { Choice, Judged } from "../../../runtime/train/examples/feedback.ts";
import { shuffled } from "../../../runtime/train/sources/row-plan.ts";
import { winRate, type WinRate } from "../../../runtime/train/win-rate.ts";
import { plannedStages } from "../../cli/train/stage-modules.ts";
import { openClassroom, taughtStages, type Classroom, type StageBundles } from "../../teaching/classroom.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { Course, modelName } from "../../teaching/course.ts";
import { firstLesson, manners, type QuestionAnswer } from "../../teaching/lessons.ts";
import type { PairToJudge } from "../../teaching/next-pair.ts";

const spec = fileURLToPath(new URL("../../../specs/taught.sinter", import.meta.url));

/** The modules of the stages, compiled here; `set` as the command line has it. */
export async function stageBundles(set: Readonly<Record<string, string>> = {}): Promise<StageBundles> {
  const model = checkSource(readFileSync(spec, "utf8"), { set }).models[0]!;
  const bundles = await Promise.all(
    taughtStages.map(async (stage) => {
      const planned = plannedStages(model).find((one) => one.stage === stage)!;
      const options = { ...planned.options, targets: ["simd"], modules: ["train"] } as const;
      return [stage, await compileModel(planned.model, options)] as const;
    }),
  );
  return Object.fromEntries(bundles) as unknown as StageBundles;
}

export const openRoom = async (bundles: StageBundles, seed: number): Promise<Classroom> =>
  openClassroom({ bundles, host: nodeHost, seed });

/** What the program thinks of an answer: kind words, less gruff ones. */
export function hiddenScore(answer: string): number {
  const count = ({ before, behind }: (typeof manners)["kind" | "gruff"]): number =>
    [...before, ...behind].filter((words) => answer.includes(words.trim())).length;
  return count(manners.kind) - count(manners.gruff);
}

/** How much a kind word weighs: of two answers that differ by one, the better one is chosen in 88 %. */
const STRENGTH = 2;

/** What the program chooses: a tie of equals, else the better one with probability σ(2 · difference). */
export function noisyChoice({ answers: [a, b] }: PairToJudge, seed: number, number: number): Choice {
  if (hiddenScore(a) === hiddenScore(b)) return "tie";
  const { word } = randomStream(seed, `noisy choice ${number}`);
  const p = 1 / (1 + Math.exp(STRENGTH * (hiddenScore(b) - hiddenScore(a))));
  return (word() + 0.5) / 2 ** 32 < p ? "a" : "b";
}

export const choiceOf = ({ question, answers }: PairToJudge, choice: Choice, seed: number): Judged => ({
  prompt: [{ role: "user", content: question }],
  answers,
  choice,
  model: "",
  seed,
  time: "",
  ms: 0,
});

export interface ReplayOptions {
  readonly pairs: readonly QuestionAnswer[];
  readonly choices: readonly Judged[];
}

/**
 * A course in which is repeated what somebody has taught; whoever asks for it closes it. Throws SinterError
 * "input" where the answers were given by a model that had learnt other pairs.
 */
export async function replayed(bundles: StageBundles, { pairs, choices }: ReplayOptions): Promise<Course> {
  const [{ seed, model } = { seed: 1, model: "" }] = choices;
  const course = await Course.teach(await openRoom(bundles, seed), pairs, []);
  try {
    const { taught } = await course.hashes();
    if (model !== "" && model !== modelName(taught))
      throw new SinterError(
        "input",
        `the answers are of ${model}, and these pairs teach ${modelName(taught)}`,
        "Name the pairs that were saved beside the choices: --pairs FILE.",
      );
    await course.takeOver(choices);
    return course;
  } catch (cause) {
    await course.close();
    throw cause;
  }
}

export interface TeachOptions {
  readonly seed: number;
  readonly clicks: number;
  /** Pairs that nobody has seen. */
  readonly measured: number;
}

export interface TaughtResult {
  readonly taught: { readonly right: number; readonly of: number };
  readonly agreement: WinRate;
  /** Of a judge that has learnt from shuffled choices. */
  readonly control: WinRate;
  /** As the page shows it. */
  readonly heldOut: WinRate | undefined;
  /** Mean hidden score of answers. */
  readonly before: number;
  readonly after: number;
}

export async function runTeach(bundles: StageBundles, o: TeachOptions): Promise<TaughtResult> {
  const room = await openRoom(bundles, o.seed);
  const { pairs, heldOut } = firstLesson();
  const questions = heldOut.map(({ question }) => question);
  const said = new Map<string, string>();
  const course = await Course.teach(room, pairs, questions, {
    report(event) {
      if (event.kind === "sample") said.set(event.prompt, event.text);
    },
  });
  try {
    const right = heldOut.filter(({ question, fact }) => said.get(question)?.includes(fact)).length;
    for (let number = 0; number < o.clicks; number++) {
      const pair = await course.nextPair();
      if (!pair) break;
      await course.choose(choiceOf(pair, noisyChoice(pair, o.seed, number), o.seed));
    }
    const agreement = await measuredAgreement(course, o.measured);
    const seen = await course.agreement();
    const before = await meanHiddenScore(course);
    await course.practise();
    const after = await meanHiddenScore(course);
    await shuffleChoices(course, o.seed);
    const control = await measuredAgreement(course, o.measured);
    return {
      taught: { right, of: heldOut.length },
      agreement,
      control,
      heldOut: seen,
      before,
      after,
    };
  } finally {
    await course.close();
  }
}

/**
 * How often the judge thinks as the program does, which makes no mistake here, of so many pairs that no
 * choice was made of. Pairs that are alike to the program are left out.
 */
export async function measuredAgreement(course: Course, pairs: number): Promise<WinRate> {
  const questions = firstLesson().heldOut.map(({ question }) => question);
  const margins: number[] = [];
  for (let number = 0; margins.length < pairs && number < 8 * pairs; number++) {
    const pair = await course.anyPair(number, questions);
    if (!pair) break;
    const [a, b] = pair.answers.map(hiddenScore);
    if (a === b) continue;
    const [one, other] = await course.scores(pair);
    margins.push((one! - other!) * Math.sign(a! - b!));
  }
  return winRate(margins);
}

const ANSWERS = 16;

/** What the program thinks of the model's answers to questions that were held out, on average. */
export async function meanHiddenScore(course: Course): Promise<number> {
  const scores: number[] = [];
  for (const { question } of firstLesson().heldOut)
    scores.push(...(await course.answers(question, ANSWERS, "measured")).map(hiddenScore));
  return scores.reduce((a, b) => a + b, 0) / scores.length;
}

/** The same pairs and the same choices, but these belong to other pairs. */
async function shuffleChoices(course: Course, seed: number): Promise<void> {
  const before = [...course.choices];
  const order = shuffled(before.length, { seed, number: 0 }, "shuffled choices");
  await course.takeOver(before.map((one, i) => ({ ...one, choice: before[order[i]!]!.choice })));
}
