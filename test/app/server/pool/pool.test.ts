/** What is asked of a pool: who runs, who waits, who is refused, and who leaves when. */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openPool, type Opened } from "../../../../app/server/pool/pool.ts";
import { ServingError, type MadeToken } from "../../../../app/server/pool/serving.ts";
import { SinterError } from "../../../../runtime/base/errors.ts";
import { randomStream } from "../../../../runtime/base/random.ts";
import { asking, opened, poolOf, turn, watchedModel } from "./served.ts";

const kindOf = (made: Promise<unknown>): Promise<unknown> =>
  made.then(
    () => "made",
    (error: unknown) => (error instanceof ServingError ? error.refusal : error),
  );

describe("an ask", () => {
  test("is answered with what became of it", async () => {
    const pool = await poolOf(watchedModel(2).model);
    const heard: [string, readonly MadeToken[]][] = [];
    const progress: unknown[] = [];
    const made = await pool.complete(
      asking({
        tokens: [1, 2],
        seed: 7,
        onText: (piece, tokens) => heard.push([piece, tokens]),
        onProgress: ({ total, cached, processed }) => progress.push([total, cached, processed]),
      }),
    );
    expect(made).toMatchObject({
      text: "\x03\x04\x05\x06",
      tokens: [3, 4, 5, 6],
      promptTokens: 2,
      cached: 0,
      seed: 7,
      stop: "tokens",
      isTruncated: false,
      lane: 0,
    });
    expect(heard).toEqual([3, 4, 5, 6].map((id) => [String.fromCharCode(id), [{ id }]]));
    expect(progress).toEqual([[2, 0, 2]]);
    for (const ms of [made.firstTokenMs, made.promptMs, made.madeMs]) expect(ms).toBeGreaterThanOrEqual(0);
    expect(made.firstTokenMs).toBeGreaterThanOrEqual(made.promptMs);
    expect(pool.counts()).toMatchObject({ running: 0, waiting: 0, promptTokens: 2, madeTokens: 4 });
  });

  test("ends by a word, which is named; tokens without a text come at the end", async () => {
    const pool = await poolOf(watchedModel(1).model);
    const heard: unknown[] = [];
    const onText = (piece: string, tokens: readonly MadeToken[]): void =>
      void heard.push([piece, tokens.map(({ id, top }) => [id, top?.length])]);
    const made = await pool.complete(asking({ stop: ["\x03\x04"], logprobs: 2, onText }));
    expect(made).toMatchObject({ text: "\x02", tokens: [2, 3, 4], stop: "word", stopWord: "\x03\x04" });
    expect(made.logprobs!.map(({ id }) => id)).toEqual([2, 3, 4]);
    expect(heard).toEqual([
      ["\x02", [[2, 2]]],
      [
        "",
        [
          [3, 2],
          [4, 2],
        ],
      ],
    ]);
  });

  test("ends where the context is full, or goes on if it is to", async () => {
    const pool = await poolOf(watchedModel(1).model);
    const full = await pool.complete(asking({ tokens: [1, 2, 3], most: 100 }));
    expect(full).toMatchObject({ stop: "context", isTruncated: true, tokens: [4, 5, 6, 7, 8, 9] });
    const shifted = await pool.complete(asking({ tokens: [1, 2, 3], most: 9, whenFull: "shift" }));
    expect(shifted).toMatchObject({ stop: "tokens", isTruncated: true });
    expect(shifted.tokens.length).toBe(9);
  });

  test("without a seed gets one, which gives the same text again", async () => {
    const pool = await poolOf(watchedModel(1).model);
    const free = { most: 7, temperature: 30, topK: 0, topP: 1, minP: 0 };
    const first = await pool.complete(asking(free));
    const [again, other] = [
      await pool.complete(asking({ ...free, seed: first.seed })),
      await pool.complete(asking(free)),
    ];
    expect(again).toMatchObject({ tokens: first.tokens, seed: first.seed });
    expect(other.seed).not.toBe(first.seed);
  });

  test("that can never be answered is refused at once", async () => {
    const pool = await poolOf(watchedModel(2).model);
    const refusals = [
      { tokens: Array(9).fill(1) },
      { tokens: [] },
      { tokens: [16] },
      { tokens: [1.5] },
      { lane: 2 },
    ].map((wrong) => kindOf(pool.complete(asking(wrong))));
    expect(await Promise.all(refusals)).toEqual([
      { kind: "prompt too long", promptTokens: 9, context: 8 },
      { kind: "bad token" },
      { kind: "bad token" },
      { kind: "bad token" },
      { kind: "bad lane" },
    ]);
    expect(pool.counts()).toMatchObject({ running: 0, waiting: 0 });
  });

  test("whose listener throws fails alone", async () => {
    const pool = await poolOf(watchedModel(2).model);
    const thrown = new Error("by the listener");
    const throws = (): never => {
      throw thrown;
    };
    const asks = [
      { onText: throws },
      { stop: ["\x05\x06"], onText: (piece: string) => piece === "\x05" && throws() },
      {},
    ];
    const [first, last, other] = asks.map((o) => pool.complete(asking({ ...o, most: 4 })));
    await expect(first).rejects.toBe(thrown);
    await expect(last).rejects.toBe(thrown); // of text that is only shown at the end
    expect((await other)!.tokens).toEqual([2, 3, 4, 5]);
    expect(pool.state).toBe("ready");
  });
});

describe("the queue", () => {
  test("has places beyond the lanes; then an ask is refused, with a time to come again", async () => {
    const pool = await poolOf(watchedModel(2).model, { queue: 3 });
    const asks = Array.from({ length: 6 }, () => kindOf(pool.complete(asking({}))));
    await turn();
    await turn();
    expect(pool.counts()).toMatchObject({ lanes: 2, running: 2, waiting: 3 });
    expect(pool.lanes()).toMatchObject([
      { id: 0, context: 8, isBusy: true, promptTokens: 1 },
      { id: 1, context: 8, isBusy: true, promptTokens: 1 },
    ]);
    expect(await Promise.all(asks)).toEqual([
      ...Array(5).fill("made"),
      { kind: "queue full", retryAfterSeconds: 1 },
    ]);
    expect(pool.lanes().map(({ isBusy }) => isBusy)).toEqual([false, false]);
    expect(pool.counts().usedRatio).toBeGreaterThan(0);
  });

  test("a text goes on in the lane that has its beginning, or in the one that it names", async () => {
    const { model, runs } = watchedModel(3);
    const pool = await poolOf(model);
    const ask = async (tokens: readonly number[], more = {}): Promise<number> =>
      (await pool.complete(asking({ tokens, most: 1, ...more }))).cached;
    expect(await ask([1, 2, 3, 4])).toBe(0);
    expect(await ask([7, 7, 7])).toBe(0);
    expect(await ask([1, 2, 3, 4, 5])).toBe(4);
    expect(await ask([7, 7, 7, 8])).toBe(3);
    expect(await ask([1, 2, 3, 4, 5, 6], { reuse: false, lane: 2 })).toBe(0);
    expect(runs).toEqual(["0: 0: 1 2 3 4", "1: 0: 7 7 7", "0: 4: 5", "1: 3: 8", "2: 0: 1 2 3 4 5 6"]);
    expect(pool.counts()).toMatchObject({ promptTokens: 22, cachedTokens: 7, madeTokens: 5 });
  });
});

describe("leaving", () => {
  test("before it begins, waiting, in its prompt or in its text: at once, with what there is", async () => {
    const pool = await poolOf(watchedModel(1).model);
    const gone = await pool.complete(asking({ signal: AbortSignal.abort() }));
    expect(gone).toMatchObject({ stop: "aborted", tokens: [], lane: undefined, text: "" });
    for (const [phase, turns] of [
      ["text", 5],
      ["waiting", 1],
    ] as const) {
      const stop = new AbortController();
      const ahead = phase === "waiting" ? pool.complete(asking({ most: 6 })) : undefined;
      const made = pool.complete(asking({ most: 6, signal: stop.signal }));
      for (let i = 0; i < turns; i++) await turn();
      const before = pool.counts();
      stop.abort();
      expect(pool.counts().cancelled[phase]).toBe(before.cancelled[phase] + 1);
      const { tokens, stop: why } = await made;
      expect([why, tokens.length > 0]).toEqual(["aborted", phase === "text"]);
      await ahead;
    }
    const stop = new AbortController();
    const heard: string[] = [];
    const made = pool.complete(
      asking({
        tokens: [3, 4],
        signal: stop.signal,
        onProgress: () => stop.abort(),
        onText: (t) => heard.push(t),
      }),
    );
    expect(await made).toMatchObject({ stop: "aborted", tokens: [] });
    expect(heard).toEqual([]);
    expect((await pool.complete(asking({}))).tokens).toEqual([2, 3, 4, 5]);
  });

  test("at its deadline, with what there is, wherever it is", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const pool = await poolOf(watchedModel(1).model);
    const heard: string[] = [];
    const onText = (piece: string): void => void heard.push(piece);
    const made = pool.complete(asking({ most: 1e9, whenFull: "shift", deadlineMs: 20, onText }));
    const waits = pool.complete(asking({ deadlineMs: 1 }));
    while (heard.length < 9) await turn();
    vi.advanceTimersByTime(1);
    expect(await waits).toMatchObject({ stop: "deadline", tokens: [], lane: undefined });
    vi.advanceTimersByTime(19);
    const { stop, tokens, text } = await made;
    expect([stop, tokens.length]).toEqual(["deadline", heard.length]);
    expect(heard.join("")).toBe(text);
    expect(pool.counts().cancelled).toEqual({ waiting: 0, prompt: 0, text: 0 });
  });

  test("a thousand at random moments lose no lane", async () => {
    const { model } = watchedModel(3);
    const pool = await poolOf(model);
    const random = randomStream(1, "leaving");
    const asks: Promise<unknown>[] = [];
    for (let i = 0; i < 1000; i++) {
      const stop = new AbortController();
      const ask = asking({ tokens: Array(1 + random.below(6)).fill(1), most: 5, signal: stop.signal });
      asks.push(kindOf(pool.complete(ask)));
      const after = random.below(12);
      void (async () => {
        for (let turns = 0; turns < after; turns++) await turn();
        stop.abort();
      })();
      for (let turns = random.below(4); turns > 0; turns--) await turn();
    }
    await Promise.all(asks);
    const { cancelled } = pool.counts();
    for (const phase of ["waiting", "text"] as const) expect(cancelled[phase]).toBeGreaterThan(50);
    const owners = await model.inTurn(async ({ all }) => all.map(({ owner }) => owner));
    expect(owners).toEqual([undefined, undefined, undefined]);
    const last = [2, 3, 4].map((id) => pool.complete(asking({ tokens: [id] })));
    expect((await Promise.all(last)).map(({ lane }) => lane).toSorted()).toEqual([0, 1, 2]);
  });
});

describe("the model", () => {
  test("is waited for while it loads; whoever leaves meanwhile is gone", async () => {
    const { model } = watchedModel(2);
    let give!: (given: Opened) => void;
    const pool = openPool({ open: () => new Promise((resolve) => (give = resolve)), queue: 3 });
    const stop = new AbortController();
    const asks = [
      pool.complete(asking({})),
      pool.complete(asking({ signal: stop.signal })),
      pool.complete(asking({ tokens: [99] })),
      pool.complete(asking({})),
    ].map(kindOf);
    expect([pool.state, pool.facts, pool.lanes(), pool.counts().waiting]).toEqual([
      "loading",
      undefined,
      [],
      3,
    ]);
    stop.abort();
    give(opened(model));
    expect((await pool.ready).lanes).toBe(2);
    expect(await Promise.all(asks)).toEqual([
      "made",
      "made",
      { kind: "bad token" },
      { kind: "queue full", retryAfterSeconds: 1 },
    ]);
    expect(pool.counts().cancelled.waiting).toBe(1);
  });

  test("that traps is closed and loaded anew: what ran is refused, what waited is served", async () => {
    const events: string[] = [];
    const models = [true, false].map((traps) => {
      const { model } = watchedModel(2, (start) => {
        if (traps && start === 3) throw new SinterError("bug", "unreachable");
      });
      return { ...model, close: async () => void events.push("closed") };
    });
    const pool = openPool({
      async open() {
        await turn();
        events.push("opened");
        return opened(models.shift()!);
      },
    });
    await pool.ready;
    const asks = [1, 2, 3].map((id) => pool.complete(asking({ tokens: [id] })));
    const [first, second, waiting] = asks.map(kindOf);
    expect([await first, await second]).toEqual(Array(2).fill({ kind: "model failed" }));
    expect(pool.state).toBe("loading");
    const next = pool.complete(asking({}));
    expect([await waiting, (await next).tokens.length]).toEqual(["made", 4]);
    expect(events).toEqual(["opened", "closed", "opened"]);
    expect(pool.counts()).toMatchObject({ restarts: 1, running: 0, waiting: 0 });
  });

  test("that cannot be loaded refuses those that wait; the next ask tries again", async () => {
    let isThere = false;
    const pool = openPool({
      open: async () => {
        await turn();
        if (!isThere) throw new Error("no memory");
        return opened(watchedModel(1).model);
      },
    });
    const waits = kindOf(pool.complete(asking({})));
    await expect(pool.ready).rejects.toThrow("no memory");
    expect(await waits).toEqual({ kind: "model failed" });
    expect(pool.state).toBe("failed");
    isThere = true;
    expect((await pool.complete(asking({}))).tokens.length).toBe(4);
    expect(pool.state).toBe("ready");
  });
});

describe("draining", () => {
  test("ends what there is, takes nothing new, and cuts what takes too long", async () => {
    const pool = await poolOf(watchedModel(1).model);
    const asks = [pool.complete(asking({})), pool.complete(asking({}))];
    const drained = pool.drain(60_000);
    expect(pool.state).toBe("draining");
    expect(await kindOf(pool.complete(asking({})))).toEqual({ kind: "draining" });
    await drained;
    expect((await Promise.all(asks)).map(({ stop }) => stop)).toEqual(["tokens", "tokens"]);

    const other = await poolOf(watchedModel(1).model);
    const endless = other.complete(asking({ most: 1e9, whenFull: "shift" }));
    await other.drain(10);
    expect((await endless).stop).toBe("deadline");
    await other.close();
  });

  test("closing cuts all, also while the model loads, which is closed when it comes", async () => {
    const { model } = watchedModel(1);
    let closed = 0;
    let give!: (given: Opened) => void;
    const pool = openPool({ open: () => new Promise((resolve) => (give = resolve)) });
    const waits = pool.complete(asking({}));
    const closing = pool.close();
    expect((await waits).stop).toBe("deadline");
    give(opened({ ...model, close: async () => void closed++ }));
    await closing;
    expect(closed).toBe(1);
    expect(await kindOf(pool.complete(asking({})))).toEqual({ kind: "draining" });
  });
});
