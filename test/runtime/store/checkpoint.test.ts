/**
 * Checkpoints are exact, complete or absent, and verified, even if any call of the file system fails, once or
 * for ever.
 */
import fs from "node:fs";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  listCheckpoints,
  loadBest,
  loadCheckpoint,
  loadNewest,
  saveCheckpoint,
} from "../../../runtime/store/checkpoint.ts";
import type { TrainState } from "../../../runtime/store/train-state.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { lockFolder } from "../../../runtime/node/lock.ts";
import { nodeFiles, type RawFs } from "../../../runtime/node/files.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { readSafetensors } from "../../../runtime/store/safetensors.ts";
import { bitsOf, fakeModel } from "../../support/fake-model.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sinter-checkpoint-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const state = (step: number): TrainState => ({
  step,
  tokens: step * 16,
  batches: randomStream(1, "batches").state(),
  identity: { model: "fake" },
});
const files = nodeFiles();
const path = (step: number): string => join(folder, `step-${String(step).padStart(6, "0")}.safetensors`);

describe("a checkpoint", () => {
  it("gives back every bit and the state", async () => {
    const model = fakeModel(1);
    await saveCheckpoint(files, folder, model, state(5), 3);
    const other = fakeModel(2);
    expect(bitsOf(other)).not.toBe(bitsOf(model));
    const loaded = await loadNewest(files, folder, other, "all");
    expect(loaded?.state).toEqual(state(5));
    expect(bitsOf(other)).toBe(bitsOf(model));
  });

  it("is not read for the best one's sake but for its head", async () => {
    const best = fakeModel(1);
    await saveCheckpoint(files, folder, best, state(5), 3);
    const named = { ...state(6), best: { step: 5, loss: 1, seen: 6, since: 1 } };
    await saveCheckpoint(files, folder, fakeModel(2), named, 3);
    const bytes = readFileSync(path(6));
    bytes.fill(0xff, bytes.length - 16); // the newest one's last numbers
    writeFileSync(path(6), bytes);
    const model = fakeModel(3);
    const loaded = await loadBest(files, folder, model, { what: "all" });
    expect([loaded?.state.step, loaded?.skipped]).toEqual([5, []]);
    expect(bitsOf(model)).toBe(bitsOf(best));
  });

  it("is dense safetensors, one tensor per layer, with the moments", async () => {
    await saveCheckpoint(files, folder, fakeModel(), state(5), 3);
    const { tensors } = readSafetensors(readFileSync(path(5)), "x");
    expect(tensors.get("layers.2.mlp.up.weight")).toMatchObject({ dtype: "F32", shape: [5, 6] });
    expect(tensors.get("output.norm.weight")).toMatchObject({ shape: [6] });
    expect([...tensors.keys()].filter((name) => name.startsWith("moment"))).toHaveLength(8);
    expect(tensors.has("moment2.layers.0.mlp.up.weight")).toBe(true);
  });

  it("keeps the last K and sweeps what an interrupted save left", async () => {
    writeFileSync(join(folder, "step-000001.safetensors.tmp"), "half");
    for (const step of [1, 2, 3, 10, 11]) await saveCheckpoint(files, folder, fakeModel(), state(step), 2);
    expect(readdirSync(folder)).toEqual(["step-000010.safetensors", "step-000011.safetensors"]);
  });

  it("is refused when a weight is not a number, and nothing is written", async () => {
    const model = fakeModel();
    model.of("parameter")[0]!.padded(1)[2] = NaN;
    await expect(saveCheckpoint(files, folder, model, state(1), 3)).rejects.toThrow(
      /layers\.1\.mlp\.up\.weight/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it("that is damaged is skipped for the one before", async () => {
    const model = fakeModel(1);
    await saveCheckpoint(files, folder, model, state(1), 3);
    await saveCheckpoint(files, folder, fakeModel(3), state(2), 3);
    const bytes = readFileSync(path(2));
    for (const at of [0, 9, 200, bytes.length >> 1, bytes.length - 1]) {
      const bad = Buffer.from(bytes);
      bad[at]! ^= 0x10;
      writeFileSync(path(2), bad);
      const other = fakeModel(9);
      const loaded = await loadNewest(files, folder, other, "all");
      expect(loaded?.state.step, `byte ${at}`).toBe(1);
      expect(loaded?.skipped).toHaveLength(1);
      expect(bitsOf(other)).toBe(bitsOf(model));
    }
    writeFileSync(path(2), bytes.subarray(0, bytes.length - 3));
    expect((await loadNewest(files, folder, fakeModel(), "all"))?.state.step).toBe(1);
  });

  it("every single bit flip is noticed", async () => {
    await saveCheckpoint(files, folder, fakeModel(1), state(1), 3);
    const bytes = readFileSync(path(1));
    const random = randomStream(1, "flips");
    for (let i = 0; i < 300; i++) {
      const bad = Buffer.from(bytes);
      const at = random.below(bytes.length);
      bad[at]! ^= 1 << random.below(8);
      writeFileSync(path(1), bad);
      const loaded = await loadCheckpoint(files, path(1), fakeModel(2), "all").catch(
        (error: unknown) => error,
      );
      // padding of the header, or JSON that means the same
      if (!(loaded instanceof SinterError)) expect(loaded, `byte ${at}`).toEqual(state(1));
    }
  });

  it("of step 0, taken after a newer one was damaged, begins without the newer one's moments", async () => {
    const model = fakeModel(1);
    await saveCheckpoint(files, folder, model, { ...state(0), tokens: 0 }, 3);
    const trained = fakeModel(2);
    for (const kind of ["moment1", "moment2"] as const)
      for (const tensor of trained.of(kind)) tensor.fill(0, () => 7);
    await saveCheckpoint(files, folder, trained, state(2), 3);
    const bytes = readFileSync(path(2));
    bytes[bytes.length - 1]! ^= 1; // in the last moment, when everything before it has been read
    writeFileSync(path(2), bytes);
    const other = fakeModel(9);
    expect(await loadNewest(files, folder, other, "all")).toMatchObject({
      state: { step: 0 },
      skipped: [expect.stringContaining("damaged")],
    });
    expect(bitsOf(other)).toBe(bitsOf(model));
    for (const kind of ["moment1", "moment2"] as const)
      for (const tensor of other.of(kind)) expect(tensor.dense(0).every((value) => value === 0)).toBe(true);
  });

  it("corrupt when none is whole; none when there is none", async () => {
    expect(await loadNewest(files, folder, fakeModel(), "all")).toBeUndefined();
    writeFileSync(path(1), "nonsense");
    await expect(loadNewest(files, folder, fakeModel(), "all")).rejects.toMatchObject({
      kind: "corrupt",
      message: expect.stringContaining(folder),
    });
  });
});

describe("when the file system fails", () => {
  const calls = [
    "openSync",
    "writeSync",
    "fsyncSync",
    "closeSync",
    "renameSync",
    "readdirSync",
    "rmSync",
  ] as const;
  const codes = ["ENOSPC", "EIO", "EACCES", "EMFILE"] as const;

  /** node:fs with a `call` that fails at its n-th use, or from then on. */
  function failing(call: (typeof calls)[number], code: string, nth: number, forEver: boolean): RawFs {
    let used = 0;
    const broken = (...args: unknown[]): unknown => {
      used++;
      if (used === nth || (forEver && used > nth))
        throw Object.assign(new Error(`${code}: failed`), { code });
      return (fs[call] as (...args: unknown[]) => unknown)(...args);
    };
    return { ...fs, [call]: broken } as RawFs;
  }

  for (const call of calls)
    it(`in ${call}, the old checkpoint loads and the message says why`, async () => {
      const model = fakeModel(1);
      for (const code of codes)
        for (const forEver of [false, true])
          for (let nth = 1; nth <= 12; nth++) {
            rmSync(folder, { recursive: true });
            fs.mkdirSync(folder);
            await saveCheckpoint(files, folder, model, state(1), 1);
            const error = await saveCheckpoint(
              nodeFiles(failing(call, code, nth, forEver)),
              folder,
              fakeModel(2),
              state(2),
              1,
            ).catch((e: unknown) => e);
            const after = fakeModel(5);
            const loaded = await loadNewest(files, folder, after, "all");
            if (loaded?.state.step === 1) expect(bitsOf(after)).toBe(bitsOf(model));
            else expect(bitsOf(after)).toBe(bitsOf(fakeModel(2)));
            if (!(error instanceof SinterError)) {
              expect(typeof error).toBe("string");
              break;
            } // used fewer than n times
            expect(error.message).toContain(folder);
            expect(error.message).toContain(code);
            expect(error.hint).toBeTruthy();
          }
    });

  it("short writes are completed", async () => {
    const short = {
      ...fs,
      writeSync: (fd: number, bytes: Uint8Array, at: number, length: number, position: number | null) =>
        fs.writeSync(fd, bytes, at, Math.min(length, 100), position),
    } as unknown as RawFs;
    const model = fakeModel(1);
    await saveCheckpoint(nodeFiles(short), folder, model, state(1), 1);
    const other = fakeModel(2);
    await loadNewest(files, folder, other, "all");
    expect(bitsOf(other)).toBe(bitsOf(model));
  });

  it("a disk that takes nothing more is reported", async () => {
    const full = { ...fs, writeSync: () => 0 } as unknown as RawFs;
    await expect(saveCheckpoint(nodeFiles(full), folder, fakeModel(), state(1), 1)).rejects.toThrow(
      /takes no more bytes/,
    );
    expect(await listCheckpoints(files, folder)).toEqual([]);
  });
});

describe("the lock", () => {
  it("keeps a second trainer out until the first lets go", () => {
    const release = lockFolder(folder);
    expect(() => lockFolder(folder)).toThrow(/in use by another trainer/);
    release();
    lockFolder(folder)();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("of a dead process is taken over, also when its number is in use again", () => {
    for (const left of ['{"pid":999999999}', `{"pid":${process.pid},"began":"1"}`, "torn"]) {
      writeFileSync(join(folder, "lock"), left);
      lockFolder(folder)();
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});
