/**
 * There is one trainer per folder, whatever comes together: many that start at once over stale locks, and
 * locks of other processes, machines and boots.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { lockFolder } from "../../../runtime/node/lock.ts";
import { checkpointName, resumeArgs, smallRun, STEPS } from "../../long/small-run.ts";
import { sinter } from "../../long/sinter.ts";
import { addressOf } from "../../support/paths.ts";

let at: string;
beforeAll(() => void (at = mkdtempSync(join(tmpdir(), "sinter-lock-"))));
afterAll(() => rmSync(at, { recursive: true, force: true }));

const LOCK = addressOf("runtime/node/lock.ts");
/**
 * Takes the lock again and again, and sometimes leaves the lock of a dead owner. Only one holder at a time
 * may make "held"; otherwise the program says so.
 */
const program = (folder: string, rounds: number): string => `
  import fs from "node:fs";
  import { lockFolder } from ${JSON.stringify(LOCK)};
  const folder = ${JSON.stringify(folder)}, held = folder + "/held";
  let got = 0;
  for (let i = 0; i < ${rounds}; i++) {
    let release;
    try {
      release = lockFolder(folder);
    } catch (error) {
      const isExpected = /in use by another trainer|other trainers are starting/.test(error.message);
      if (!isExpected) console.log("WRONG", error.message);
      continue;
    }
    got++;
    try {
      fs.writeFileSync(held, "", { flag: "wx" });
    } catch {
      console.log("TWO AT ONCE");
    }
    for (let until = performance.now() + 2 * Math.random(); performance.now() < until;);
    fs.rmSync(held);
    if (Math.random() < 0.5) fs.writeFileSync(
      folder + "/lock", JSON.stringify({ pid: 999999999, nonce: String(Math.random()) }),
    );
    else release();
  }
  console.log("got", got);
`;

describe("many trainers that start at once, over locks of dead ones", () => {
  it("never two of them hold the folder, and none is kept out for ever", async () => {
    const folder = join(at, "race");
    const rounds = 150;
    cpSync(mkdtempSync(join(at, "empty-")), folder, { recursive: true });
    const said = await Promise.all(
      [1, 2, 3, 4].map(
        () =>
          new Promise<string>((resolve, reject) =>
            execFile(
              process.execPath,
              ["--input-type=module", "-e", program(folder, rounds)],
              (error, stdout) => (error ? reject(error) : resolve(stdout)),
            ),
          ),
      ),
    );
    const lines = said.join("").trim().split("\n");
    expect(lines.filter((line) => !line.startsWith("got "))).toEqual([]);
    expect(lines.reduce((sum, line) => sum + Number(line.slice(4)), 0)).toBeGreaterThan(rounds / 2);
    lockFolder(folder)();
    expect(readdirSync(folder).filter((name) => name !== "lock")).toEqual([]);
  });
});

describe("a lock", () => {
  const lock = (): string => join(at, "lock");
  const leave = (owner: object | string): void =>
    writeFileSync(lock(), typeof owner === "string" ? owner : JSON.stringify(owner));
  afterEach(() => rmSync(lock(), { force: true }));

  it("of another machine is not taken over: nobody here can tell, and the way out is said", () => {
    leave({ pid: 999999999, host: "elsewhere" });
    expect(() => lockFolder(at)).toThrow(/in use by another trainer \(process 999999999 on elsewhere\)/);
    try {
      lockFolder(at);
    } catch (error) {
      expect((error as { hint: string }).hint).toContain(`remove ${lock()}`);
    }
  });
  it("of this machine before it was started again is taken over, also when its number is in use", () => {
    leave({ pid: process.pid, host: hostname(), boot: "before" });
    lockFolder(at)();
  });
  it("of a living process, or with the number of one that began at another time", () => {
    leave({ pid: process.ppid });
    expect(() => lockFolder(at)).toThrow(/in use/);
    leave({ pid: process.ppid, began: "1" });
    lockFolder(at)();
    for (const nonsense of ["", "{", "null", "[]", '{"pid":"x"}', '{"pid":-1}', '{"pid":0}']) {
      leave(nonsense);
      lockFolder(at)();
    }
    expect(readdirSync(at).filter((name) => name.startsWith("lock"))).toEqual([]);
  });
  it("that is no longer ours is not let go", () => {
    const release = lockFolder(at);
    const other = JSON.stringify({ pid: process.ppid, nonce: "x" });
    leave(other);
    release();
    expect(readFileSync(lock(), "utf8")).toBe(other);
  });
});

describe("from the command line", () => {
  it("of resumes that start at once one goes on, to the same bytes; the others are refused", async () => {
    const { whole, half } = await smallRun(join(at, "run"));
    for (let i = 0; i < 3; i++) {
      const folder = join(at, "twice");
      rmSync(folder, { recursive: true, force: true });
      cpSync(half, folder, { recursive: true });
      const ends = await Promise.all([0, 1, 2].map(() => sinter(resumeArgs("twice"), { cwd: at })));
      for (const { code, err } of ends)
        expect(
          code === 0 || (code === 1 && /in use by another trainer|other trainers are starting/.test(err)),
          `${code} ${err}`,
        ).toBe(true);
      expect(ends.some(({ code }) => code === 0)).toBe(true);
      expect(
        readFileSync(join(folder, checkpointName(STEPS))).equals(
          readFileSync(join(whole, checkpointName(STEPS))),
        ),
      ).toBe(true);
      expect(readdirSync(folder).filter((name) => name.startsWith("lock") || name.endsWith(".tmp"))).toEqual(
        [],
      );
    }
  });

  it("a folder that something else is being made in is refused", async () => {
    const folder = join(at, "importing");
    const release = lockFolder(mkdtempSync(join(at, "importing-")));
    release();
    cpSync(join(at, "run", "half"), folder, { recursive: true });
    const held = lockFolder(folder); // as an import does
    for (const args of [
      resumeArgs("importing"),
      ["train", "run/small.sinter", "--data", "run/text.txt", "--out", "importing", "--force"],
    ])
      expect(await sinter(args, { cwd: at })).toMatchObject({
        code: 1,
        err: expect.stringMatching(/in use by another trainer/) as unknown,
      });
    held();
  });
});
