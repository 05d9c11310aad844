/**
 * The barrier, two ways. What it says of the machine: the module's own function, fed with rounds in which
 * somebody slept or nobody did. That nobody passes too early and nobody sleeps for ever: its steps as a
 * model, in every order in which workers can take them; the same with a mistake must be found.
 */
import { describe, expect, test } from "vitest";
import { prelude } from "../../../compiler/8-emit/prelude.ts";
import { assemble } from "../../../compiler/9-bundle/assemble.ts";
import { control, controlWord } from "../../../runtime/contract/control.ts";
import { withSharedMemory } from "../../../runtime/contract/memory-import.ts";

describe("workers are held up", () => {
  async function counting(): Promise<(rounds: string) => string> {
    const source = `${prelude("simd")}\nexport function round(): void { countSleeps(); }`;
    const { wasm, memoryFlagOffset } = await assemble(source, "simd", 1);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const module = new WebAssembly.Module(withSharedMemory(wasm, memoryFlagOffset, false));
    const { round } = new WebAssembly.Instance(module, { env: { memory, abort() {} } }).exports;
    const i32 = new Int32Array(memory.buffer);
    const after = (slept: boolean): string => {
      i32[controlWord(control.slept)] = slept ? 1 : 0;
      (round as () => void)();
      expect(i32[controlWord(control.slept)]).toBe(0);
      return i32[controlWord(control.held)] === 1 ? "h" : "-";
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

/** What workers share, and where each of them is. */
interface State {
  readonly arrived: number;
  readonly round: number;
  readonly workers: readonly Worker[];
}
interface Worker {
  /** Barriers that it has left. */
  readonly left: number;
  readonly at: Step;
  /** The round's number when it came. */
  readonly seen: number;
}
/**
 * Steps of the barrier, each of which is one atomic operation. A worker that is `asleep` takes no step until
 * it is woken; `waiting` is where it decides to sleep, which Atomics.wait does together with a last look.
 * `look` is there by mistake alone.
 */
type Step = "come" | "arrive" | "look" | "reset" | "raise" | "wake" | "waiting" | "asleep";

interface Mistakes {
  /** Looks and falls asleep in two steps. */
  readonly looksBefore?: boolean;
  /** Raises the round's number before it sets the count back. */
  readonly raisesFirst?: boolean;
  /** Reads the round's number after it has arrived. */
  readonly arrivesFirst?: boolean;
}

/** All states that one step of one worker leads to. */
function* next(state: State, mistakes: Mistakes): Generator<State> {
  for (const [i, worker] of state.workers.entries()) {
    const moved = (change: Partial<Worker>, shared: Partial<State> = {}): State => ({
      ...state,
      ...shared,
      workers: state.workers.map((w, j) => (j === i ? { ...w, ...change } : w)),
    });
    const left = { at: "come", left: worker.left + 1 } as const;
    const all = state.workers.length;
    if (worker.left === ROUNDS) continue;
    if (worker.at === "come")
      yield mistakes.arrivesFirst ? moved({ at: "arrive" }) : moved({ at: "arrive", seen: state.round });
    else if (worker.at === "arrive") {
      const last = state.arrived === all - 1;
      const waits = mistakes.arrivesFirst ? "look" : "waiting";
      const at = !last ? waits : mistakes.raisesFirst ? "raise" : "reset";
      yield moved({ at }, { arrived: state.arrived + 1 });
    } else if (worker.at === "look") yield moved({ at: "waiting", seen: state.round });
    else if (worker.at === "reset")
      yield moved({ at: mistakes.raisesFirst ? "wake" : "raise" }, { arrived: 0 });
    else if (worker.at === "raise")
      yield moved({ at: mistakes.raisesFirst ? "reset" : "wake" }, { round: state.round + 1 });
    else if (worker.at === "wake") {
      const woken = state.workers.map((w) => (w.at === "asleep" ? { ...w, at: "waiting" as const } : w));
      yield { ...state, workers: woken.map((w, j) => (j === i ? { ...w, ...left } : w)) };
    } else if (worker.at === "waiting") {
      if (state.round !== worker.seen) yield moved(left);
      if (state.round === worker.seen || mistakes.looksBefore) yield moved({ at: "asleep" });
    }
  }
}

const ROUNDS = 3;

/** Goes through every order of steps; says what can go wrong, undefined: nothing. */
function search(workers: number, mistakes: Mistakes = {}): string | undefined {
  const start: State = {
    arrived: 0,
    round: 0,
    workers: Array.from({ length: workers }, () => ({ left: 0, at: "come", seen: 0 })),
  };
  const seen = new Set<string>();
  const open = [start];
  for (let state = open.pop(); state; state = open.pop()) {
    const lefts = state.workers.map(({ left }) => left);
    const arrivals = state.workers.map(({ left, at }) => left + (at === "come" || at === "arrive" ? 0 : 1));
    if (Math.max(...lefts) > Math.min(...arrivals)) return "one has passed before all have come";
    const following = [...next(state, mistakes)];
    if (following.length === 0 && lefts.some((left) => left < ROUNDS)) return "somebody waits for ever";
    for (const after of following) {
      const key = JSON.stringify(after);
      if (!seen.has(key)) open.push(after);
      seen.add(key);
    }
  }
  return undefined;
}

describe("in every order of steps", () => {
  test.each([2, 3])("%i workers come through", (workers) => expect(search(workers)).toBeUndefined());

  test("a lost wake-up is found: looking and falling asleep in two steps", () =>
    expect(search(2, { looksBefore: true })).toBe("somebody waits for ever"));

  test("a round that is raised before the count is set back is found", () =>
    expect(search(2, { raisesFirst: true })).toBeDefined());

  test("a worker that arrives before it reads the round's number is found", () =>
    expect(search(2, { arrivesFirst: true })).toBeDefined());
});
