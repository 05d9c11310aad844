/**
 * The worker pool on a hand-made module: phases, traps, endless loops, threads that die. Every run ends,
 * within two seconds of a failure.
 */
import { execFile } from "node:child_process";
import { beforeAll, describe, expect, it } from "vitest";
import { control, controlWord } from "../../../runtime/contract/control.ts";
import { HELD, PHASE_HEAD } from "../../../compiler/8-emit/barrier.ts";
import { prelude } from "../../../compiler/8-emit/prelude.ts";
import { assemble } from "../../../compiler/9-bundle/assemble.ts";
import { withSharedMemory } from "../../../runtime/contract/memory-import.ts";
import type { EntryPlace, ModuleManifest } from "../../../runtime/contract/manifest.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { callingThread, type Pool } from "../../../runtime/engine/host.ts";
import { startPool as startThreads, type StartThread } from "../../../runtime/engine/pool.ts";
import { startPool } from "../../../runtime/node/pool.ts";
import { leastMs } from "../../support/patient.ts";
import { addressOf } from "../../support/paths.ts";

/** Each part adds to a cell, from address 4096 on; in the phase after that, part 0 writes their sum. */
const source = `${prelude("simd")}
const CELLS: usize = 4096;
const SUM: usize = 4160;
export function count(worker: i32): void {
  ${PHASE_HEAD} {
    const cell = CELLS + (<usize>part << 2);
    store<i32>(cell, load<i32>(cell) + part + 1);
  }
  ${PHASE_HEAD} {
    if (part > 0) continue;
    let sum = 0;
    for (let w = 0; w < load<i32>(${control.workers}); w++) sum += load<i32>(CELLS + (<usize>w << 2));
    store<i32>(SUM, sum);
  }
  leave();
}
export function trap(worker: i32): void { if (worker == 1) unreachable(); ${PHASE_HEAD} {} }
export function trapFirst(worker: i32): void { if (worker == 0) unreachable(); ${PHASE_HEAD} {} }
export function spin(worker: i32): void {
  if (worker == 1) { while (true) { store<i32>(SUM, load<i32>(SUM) + 1); } }
  if (worker == 0) unreachable();
}
`;
const names = ["count", "trap", "trapFirst", "spin"] as const;

const TWO_SECONDS = 2000;

/**
 * Milliseconds until a failure is reported and the pool is closed: the least of several tries, each with a
 * pool of its own.
 */
async function reported(
  start: () => Promise<{ readonly pool: Pool }>,
  entry: EntryPlace,
  check: (pool: Pool, error: unknown) => Promise<void>,
): Promise<number> {
  let beginning = 0;
  const least = await leastMs(TWO_SECONDS, async () => {
    const began = performance.now();
    const { pool } = await start();
    await pool.run(entries.count);
    beginning = performance.now() - began;
    await check(pool, await pool.run(entry).catch((error: unknown) => error));
    await pool.close();
  });
  return least - beginning;
}
const entries = Object.fromEntries(
  names.map((name, index): [string, EntryPlace] => [
    name,
    { name, index, inputs: [], outputs: [], batch: 1, context: 1, flops: 0 },
  ]),
) as Record<(typeof names)[number], EntryPlace>;
const manifest: ModuleManifest = {
  memoryBytes: 65536,
  memoryPages: 1,
  maxWorkers: 8,
  tensors: [],
  entries: Object.values(entries),
  wasm: {},
};

let shared: WebAssembly.Module;
let alone: WebAssembly.Module;
beforeAll(async () => {
  const { wasm, memoryFlagOffset } = await assemble(source, "simd", 1);
  shared = new WebAssembly.Module(wasm);
  alone = new WebAssembly.Module(withSharedMemory(wasm, memoryFlagOffset, false));
});

async function pool(workers: number, own = false): Promise<{ pool: Pool; i32: Int32Array }> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  return {
    pool: await startPool(
      { partitions: [{ module: shared, memory, manifest }], control, workers, cores: 2 },
      own,
    ),
    i32: new Int32Array(memory.buffer),
  };
}

it.each([false, true])(
  "runs an entry on as many of its workers as are wanted: caller works %s",
  async (own) => {
    const { pool: p, i32 } = await pool(3, own);
    let sum = 0;
    for (let i = 0; i < 60; i++) {
      const workers = 1 + (i % 3);
      await p.run(entries.count, 0, workers);
      for (let w = 0; w < workers; w++) sum += w + 1;
      const cells = i32.subarray(4096 / 4, 4096 / 4 + 3).reduce((a, b) => a + b, 0);
      expect(cells).toBe(sum);
    }
    await p.close();
  },
);

it.each([false, true])(
  "runs every part of an entry once where workers are held up: caller works %s",
  async (own) => {
    const { pool: p, i32 } = await pool(3, own);
    for (let i = 1; i <= 200; i++) {
      // as if somebody had been waited for in all phases before
      i32[controlWord(control.round)] = HELD;
      i32[controlWord(control.sleeps)] = 256;
      await p.run(entries.count);
      expect(i32[4160 / 4]).toBe(6 * i);
    }
    await p.close();
  },
);

it.each([
  ["batches, where workers have all cores", 2, 2, false, ["train"]],
  ["nothing, where a core is left", 2, 3, false, []],
  ["nothing, where the caller is one of them", 2, 2, true, []],
  ["everything, where there are more workers than cores", 3, 2, false, ["train", "decode"]],
] as const)("threads sleep at once after %s", async (_, workers, cores, callerWorks, wanted) => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const named = ["train", "decode"].map((name, index) => ({ ...entries.count, name, index }));
  const partitions = [{ module: shared, memory, manifest: { ...manifest, entries: named } }];
  const sleepers: string[][] = [];
  const idle: StartThread = (plan, { report }) => {
    sleepers.push(plan.entries.flatMap((entry) => (entry?.thenSleep ? [entry.name] : [])));
    queueMicrotask(() => report({ kind: "ready" }));
    return { busy() {}, async end() {} };
  };
  const p = await startThreads({ partitions, control, workers, cores }, idle, callerWorks);
  expect(sleepers).toEqual(Array.from({ length: callerWorks ? workers - 1 : workers }, () => wanted));
  await p.close();
});

it("waits for no worker that takes no part", async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const partitions = [{ module: shared, memory, manifest }];
  const sleeping: StartThread = (_, { report }) => {
    queueMicrotask(() => report({ kind: "ready" }));
    return { busy() {}, async end() {} };
  };
  const p = await startThreads({ partitions, control, workers: 2, cores: 2 }, sleeping, true);
  for (let i = 1; i <= 2; i++) {
    await p.run(entries.count, 0, 1);
    expect(new Int32Array(memory.buffer)[4160 / 4]).toBe(i);
  }
  await p.close();
});

describe("a pool whose worker 0 is the calling thread", () => {
  it("runs every worker, each entry, many times", async () => {
    for (const workers of [2, 3]) {
      const { pool: p, i32 } = await pool(workers, true);
      for (let i = 1; i <= 200; i++) {
        await p.run(entries.count);
        expect(i32[4160 / 4]).toBe((i * workers * (workers + 1)) / 2);
      }
      await p.close();
      await expect(p.run(entries.count)).rejects.toThrow(/closed pool/);
    }
  });

  for (const [name, worker] of [
    ["trap", 1],
    ["trapFirst", 0],
  ] as const)
    it(`reports ${name} of worker ${worker} within two seconds, and every later run too`, async () => {
      const said = new RegExp(`worker ${worker} stopped in "${name}".*unreachable`);
      const ms = await reported(
        () => pool(2, true),
        entries[name],
        async (p, error) => {
          expect(error).toMatchObject({ kind: "bug", message: expect.stringMatching(said) as unknown });
          await expect(p.run(entries.count)).rejects.toBe(error);
        },
      );
      expect(ms).toBeLessThan(TWO_SECONDS);
    });
});

describe("a pool", () => {
  it("runs every worker, each entry, many times", async () => {
    for (const workers of [1, 2, 3]) {
      const { pool: p, i32 } = await pool(workers);
      for (let i = 1; i <= 200; i++) {
        await p.run(entries.count);
        expect(i32[4160 / 4]).toBe((i * workers * (workers + 1)) / 2);
      }
      await p.close();
      await p.close();
      await expect(p.run(entries.count)).rejects.toThrow(/closed pool/);
    }
  });

  it("does not block the host's event loop", async () => {
    const { pool: p } = await pool(2);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    for (let i = 0; i < 300; i++) await p.run(entries.count);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
    await p.close();
  });

  it("takes one entry at a time", async () => {
    const { pool: p } = await pool(2);
    const first = p.run(entries.count);
    await expect(p.run(entries.count)).rejects.toThrow(/while "count" runs/);
    await first;
    await p.close();
  });

  for (const name of ["trap", "trapFirst", "spin"] as const)
    it(`reports ${name} within two seconds, and every later run too`, async () => {
      const ms = await reported(
        () => pool(2),
        entries[name],
        async (p, error) => {
          expect(error).toBeInstanceOf(SinterError);
          expect((error as SinterError).kind).toBe("bug");
          expect((error as SinterError).message).toMatch(
            new RegExp(`worker \\d stopped in "${name}".*unreachable`),
          );
          await expect(p.run(entries.count)).rejects.toBe(error);
        },
      );
      expect(ms).toBeLessThan(TWO_SECONDS);
    });

  it("does not start when the module cannot be instantiated", async () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    await expect(
      startPool({ partitions: [{ module: alone, memory, manifest }], control, workers: 2, cores: 2 }),
    ).rejects.toThrow(/worker \d stopped in "start"/);
  });
});

/**
 * A busy machine may suspend the calling thread between raising a job and waking the sleepers. The workers
 * spin for a while, see the job, finish it and sleep again. The late call to wake them then finds them asleep
 * after a job that they have already done.
 */
describe("a waking that comes late", () => {
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

  it.each([
    [1, false],
    [2, false],
    [3, false],
    [2, true],
  ] as const)("runs no entry twice: %i workers, own thread %s", async (workers, own) => {
    const { pool: p, i32 } = await pool(workers, own);
    try {
      let woken = 0;
      for (let i = 1; i <= 10; i++) {
        await p.run(entries.count);
        await settle(); // the workers fall asleep
        woken += Atomics.notify(i32, controlWord(control.job));
        await settle();
        expect(i32[4160 / 4]).toBe((i * workers * (workers + 1)) / 2);
      }
      expect(woken).toBeGreaterThan(0);
    } finally {
      await p.close();
    }
  });
});

describe("one worker", () => {
  const plain = () => new WebAssembly.Memory({ initial: 1, maximum: 1 });

  it("is the calling thread, without shared memory", async () => {
    const memory = plain();
    const i32 = new Int32Array(memory.buffer);
    i32[controlWord(control.workers)] = 1;
    const p = callingThread([{ module: alone, memory }]);
    await p.run(entries.count);
    expect(i32[4160 / 4]).toBe(1);
    await p.close();
  });

  it("reports a trap", async () => {
    const memory = plain();
    new Int32Array(memory.buffer)[controlWord(control.workers)] = 1;
    await expect(callingThread([{ module: alone, memory }]).run(entries.trapFirst)).rejects.toMatchObject({
      kind: "bug",
    });
  });
});

/** Runs a program in a process of its own: what it prints, and whether it ends. */
function program(code: string): Promise<string> {
  const setup = `
    import { startPool } from ${JSON.stringify(addressOf("runtime/node/pool.ts"))};
    const binary = Buffer.from(${JSON.stringify(Buffer.from(bytes()).toString("base64"))}, "base64");
    const module = new WebAssembly.Module(binary);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const entry = ${JSON.stringify(entries.count)};
    const partitions = [{ module, memory, manifest: ${JSON.stringify(manifest)} }];
    const pool = await startPool({ partitions, control: ${JSON.stringify(control)}, workers: 2 });
    ${code}`;
  return new Promise((resolve, reject) =>
    execFile(process.execPath, ["--input-type=module", "-e", setup], { timeout: 300_000 }, (error, stdout) =>
      error?.killed ? reject(new Error("it did not end")) : error ? reject(error) : resolve(stdout),
    ),
  );
}

let kept: Uint8Array | undefined;
const bytes = (): Uint8Array => kept!;
beforeAll(async () => {
  kept = (await assemble(source, "simd", 1)).wasm;
});

describe("the program ends", () => {
  it("when its work is done, though nobody closed the pool", async () => {
    expect(await program(`await pool.run(entry); console.log("done");`)).toBe("done\n");
  });

  it("and a run keeps it alive until then", async () => {
    expect(await program(`pool.run(entry).then(() => console.log("done"));`)).toBe("done\n");
  });
});
