/**
 * What stands between phases, two ways. What it says of the machine: the module's own function, fed with
 * phases in which somebody slept or nobody did. That each part is done once and in its phase, and that nobody
 * sleeps for ever: its steps as a model, in every order in which workers can take them; the same with a
 * mistake must be found.
 */
import { describe, expect, test } from "vitest";
import { prelude } from "../../../compiler/8-emit/prelude.ts";
import { assemble } from "../../../compiler/9-bundle/assemble.ts";
import { control, controlWord } from "../../../runtime/contract/control.ts";
import { withSharedMemory } from "../../../runtime/contract/memory-import.ts";

describe("workers are held up", () => {
  async function counting(): Promise<(rounds: string) => string> {
    const entry = "export function round(held: bool): bool { return countSleeps(held); }";
    const source = `${prelude("simd")}\n${entry}`;
    const { wasm, memoryFlagOffset } = await assemble(source, "simd", 1);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const module = new WebAssembly.Module(withSharedMemory(wasm, memoryFlagOffset, false));
    const { round } = new WebAssembly.Instance(module, { env: { memory, abort() {} } }).exports;
    const i32 = new Int32Array(memory.buffer);
    let held = 0;
    const after = (slept: boolean): string => {
      i32[controlWord(control.slept)] = slept ? 1 : 0;
      held = (round as (held: number) => number)(held);
      expect(i32[controlWord(control.slept)]).toBe(0);
      return held === 1 ? "h" : "-";
    };
    // in: "s" somebody slept, "." nobody did; out: "h" held, "-" not
    return (rounds) => [...rounds].map((r) => after(r === "s")).join("");
  }

  test("by neighbours, where somebody sleeps in many rounds; no longer, soon after they do not", async () => {
    const rounds = await counting();
    expect(rounds("....")).toBe("----");
    expect(rounds("s.......")).toBe("--------"); // once: a timer of the system
    expect(rounds("s".repeat(10))).toBe("-------hhh");
    expect(rounds("s..s..s..s..")).toBe("h".repeat(12));
    const quiet = rounds(".".repeat(40));
    expect(quiet).toMatch(/^h{5,30}-+$/);
  });

  test("not by kernels that are shared unevenly, in every fifth round", async () => {
    const rounds = await counting();
    expect(rounds("s....".repeat(40))).not.toContain("h");
  });
});

/** CONTROL_ROUND: it is read and changed as a whole. */
interface Round {
  readonly phase: number;
  readonly held: boolean;
  readonly taken: number;
}
/** What workers share, and where each of them is. */
interface State {
  readonly round: Round;
  /** CONTROL_PARTS and CONTROL_LEFT. */
  readonly parts: number;
  readonly left: number;
  readonly workers: readonly Worker[];
  /** How often each part has been done, by phase and part; a count of its own for each run of the entry. */
  readonly work: readonly number[];
  readonly run: number;
}
interface Worker {
  readonly at: Step;
  readonly phase: number;
  /** What it has read and the part that it has, as long as it needs them. */
  readonly seen?: Round;
  readonly part?: number;
}
/**
 * Steps of a worker, each of which is one atomic operation: firstPart is `come`, takePart `look` and `claim`,
 * nextPart `count`, endPhase `reset`, `raise` and `wake`, awaitEnd `wait` and `sleep`. A worker that is
 * `asleep` takes no step until it is woken. `choose` is there by mistake alone.
 */
type Step =
  | "come"
  | "choose"
  | "look"
  | "claim"
  | "work"
  | "count"
  | "reset"
  | "raise"
  | "wake"
  | "wait"
  | "sleep"
  | "asleep"
  | "leave"
  | "gone";

interface Mistakes {
  /** Falls asleep although the word may be another by now. */
  readonly sleepsBlindly?: boolean;
  /** Begins the next phase before it sets the count of done parts back. */
  readonly raisesFirst?: boolean;
  /** Takes a part whatever phase it is of by now. */
  readonly claimsBlindly?: boolean;
  /** Reads whether workers are held up after it has read the number of the phase. */
  readonly readsTwice?: boolean;
  /** Whoever leaves first sets the number of the phase back. */
  readonly firstSetsBack?: boolean;
}

const PHASES = 2;
const RUNS = 2;

/** A step of a worker: where it is then, what else changes of it, and of what workers share. */
type Move = (at: Step, change?: Partial<Worker>, shared?: Partial<State>) => State;

const mover =
  (state: State, i: number): Move =>
  (at, change = {}, shared = {}) => ({
    ...state,
    ...shared,
    workers: state.workers.map((w, j) => (j === i ? { phase: w.phase, ...change, at } : w)),
  });

const isOver = (worker: Worker, round: Round): boolean => round.phase !== worker.phase;

/** All states that one step of worker i leads to, where it takes a part or does it. */
function* partSteps(state: State, i: number, mistakes: Mistakes): Generator<State> {
  const worker = state.workers[i]!;
  const { round, parts } = state;
  const all = state.workers.length;
  const to = mover(state, i);
  const chosen = (): State => (round.held ? to("look") : to("work", { part: i }));
  switch (worker.at) {
    case "come":
      if (isOver(worker, round)) yield to("look");
      else yield mistakes.readsTwice ? to("choose") : chosen();
      break;
    case "choose":
      yield chosen();
      break;
    case "look":
      yield isOver(worker, round) || round.taken >= all ? to("wait") : to("claim", { seen: round });
      break;
    case "claim": {
      const same = mistakes.claimsBlindly ? round.taken === worker.seen!.taken : equal(round, worker.seen!);
      if (!same) yield to("look");
      else yield to("work", { part: round.taken }, { round: { ...round, taken: round.taken + 1 } });
      break;
    }
    case "work":
      yield to("count", {}, { work: state.work.with(worker.phase * all + worker.part!, 1) });
      break;
    case "count": {
      const end = mistakes.raisesFirst ? "raise" : "reset";
      yield to(parts === all - 1 ? end : round.held ? "look" : "wait", {}, { parts: parts + 1 });
      break;
    }
    default:
  }
}

/** The same where it ends a phase, waits for its end, or leaves the entry. */
function* phaseSteps(state: State, i: number, mistakes: Mistakes): Generator<State> {
  const worker = state.workers[i]!;
  const { round } = state;
  const all = state.workers.length;
  const to = mover(state, i);
  const phase = worker.phase + 1;
  const onward = (): State => to(phase === PHASES ? "leave" : "come", { phase });
  switch (worker.at) {
    case "reset":
      yield to(mistakes.raisesFirst ? "wake" : "raise", {}, { parts: 0 });
      break;
    case "raise":
      for (const held of [false, true])
        yield to(mistakes.raisesFirst ? "reset" : "wake", {}, { round: { phase, held, taken: 0 } });
      break;
    case "wake": {
      const after = onward();
      yield { ...after, workers: after.workers.map((w) => (w.at === "asleep" ? { ...w, at: "wait" } : w)) };
      break;
    }
    case "wait":
      yield isOver(worker, round) ? onward() : to("sleep", { seen: round });
      break;
    case "sleep":
      yield to(mistakes.sleepsBlindly || equal(round, worker.seen!) ? "asleep" : "wait");
      break;
    case "leave": {
      const setsBack = state.left === (mistakes.firstSetsBack ? 0 : all - 1);
      const left = (state.left + 1) % all;
      yield to("gone", {}, setsBack ? { left, round: { ...round, phase: 0 } } : { left });
      break;
    }
    default:
  }
}

const equal = (a: Round, b: Round): boolean => wordOf(a) === wordOf(b);

/** A run of the entry begins: the host waits until all have left it. */
const begun = (workers: number, run: number, round: Round): State => ({
  round,
  parts: 0,
  left: 0,
  workers: Array.from({ length: workers }, () => ({ at: "come", phase: 0 })),
  work: Array.from({ length: workers * PHASES }, () => 0),
  run,
});

/** What is wrong with a step of worker i that does its part; undefined: nothing. */
function wrongWork({ work, round, workers }: State, i: number): string | undefined {
  const { at, phase, part } = workers[i]!;
  if (at !== "work") return undefined;
  if (phase !== round.phase) return "a part is done when its phase is over";
  if (work[phase * workers.length + part!] !== 0) return "a part is done twice";
  if (work.slice(0, phase * workers.length).includes(0)) return "a phase begins before the last one is over";
  return undefined;
}

/** States with equal keys are the same. */
const keyOf = ({ round, parts, left, workers, work, run }: State): string =>
  [wordOf(round), parts, left, run, ...work, ...workers.flatMap(placeOf)].join();
const wordOf = ({ phase, held, taken }: Round): string => `${phase} ${held} ${taken}`;
const placeOf = ({ at, phase, part, seen }: Worker): unknown[] => [at, phase, part, seen && wordOf(seen)];

/** Goes through every order of steps; says what can go wrong, undefined: nothing. */
function search(workers: number, mistakes: Mistakes = {}): string | undefined {
  const seen = new Set<string>();
  const open = [false, true].map((held) => begun(workers, 0, { phase: 0, held, taken: 0 }));
  for (let state = open.pop(); state; state = open.pop()) {
    const following: State[] = [];
    for (let i = 0; i < workers; i++) {
      const wrong = wrongWork(state, i);
      if (wrong !== undefined) return wrong;
      following.push(...partSteps(state, i, mistakes), ...phaseSteps(state, i, mistakes));
    }
    if (following.length === 0) {
      if (state.workers.some(({ at }) => at !== "gone")) return "somebody waits for ever";
      if (state.work.includes(0)) return "a part is not done";
      if (state.run + 1 < RUNS) following.push(begun(workers, state.run + 1, state.round));
    }
    for (const after of following) {
      const key = keyOf(after);
      if (!seen.has(key)) open.push(after);
      seen.add(key);
    }
  }
  return undefined;
}

describe("in every order of steps", () => {
  test.each([2, 3])("%i workers do everything once", (workers) => expect(search(workers)).toBeUndefined());

  test.each<[keyof Mistakes, string]>([
    ["sleepsBlindly", "somebody waits for ever"],
    ["raisesFirst", "somebody waits for ever"],
    ["claimsBlindly", "a part is done when its phase is over"],
    ["readsTwice", "a part is done when its phase is over"],
    ["firstSetsBack", "a part is done twice"],
  ])("a mistake is found: %s", (mistake, found) => expect(search(2, { [mistake]: true })).toBe(found));
});
