/**
 * Tests the live line against a terminal that wraps it when it becomes narrower, as tmux and most others do.
 */
import { describe, expect, test } from "vitest";
import { LiveLine } from "../../../app/cli/terminal/live-line.ts";
import { Display } from "../../../app/cli/train/display.ts";
import type { Io } from "../../../app/cli/terminal/io.ts";
import { ProgressMeter } from "../../../runtime/report/progress.ts";
import type { StepEvent } from "../../../runtime/train/events.ts";

/**
 * The lines as they were written, with the cursor on one of their characters. For a width, rows are made from
 * them.
 */
class Terminal {
  #lines: string[] = [""];
  #line = 0;
  #at = 0;
  columns: number;
  readonly #listeners = new Set<() => void>();

  constructor(columns: number) {
    this.columns = columns;
  }

  io(): Io {
    const columnsNow = (): number => this.columns;
    return {
      out: (text) => this.write(text),
      err: (text) => this.write(text),
      tty: true,
      cwd: "/",
      get columns() {
        return columnsNow();
      },
      onResize: (changed) => {
        this.#listeners.add(changed);
        return () => void this.#listeners.delete(changed);
      },
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  resize(columns: number): void {
    this.columns = columns;
    for (const changed of this.#listeners) changed();
  }

  write(text: string): void {
    for (const [part] of text.matchAll(/\u001b\[J|[\s\S]/gu)) {
      if (part === "\u001b[J") this.#erase();
      // the first column of the row, not of the line
      else if (part === "\r") this.#at -= this.#at % this.columns;
      else if (part === "\n") this.#nextLine();
      else this.#put(part);
    }
  }

  #erase(): void {
    this.#lines.length = this.#line + 1;
    this.#lines[this.#line] = [...this.#lines[this.#line]!].slice(0, this.#at).join("");
  }

  #nextLine(): void {
    this.#line++;
    this.#at = 0;
    this.#lines[this.#line] ??= "";
  }

  #put(character: string): void {
    const line = [...this.#lines[this.#line]!];
    line[this.#at++] = character;
    this.#lines[this.#line] = line.join("");
  }

  rows(): string[] {
    return this.#lines.flatMap((line) => {
      const characters = [...line];
      const count = Math.max(1, Math.ceil(characters.length / this.columns));
      return Array.from({ length: count }, (_, i) =>
        characters
          .slice(i * this.columns, (i + 1) * this.columns)
          .join("")
          .trimEnd(),
      );
    });
  }
}

describe("the live line", () => {
  const widths = [120, 60, 31, 8, 200, 45];

  test("is redrawn at each width, on one row, and leaves nothing behind", () => {
    const terminal = new Terminal(100);
    const live = new LiveLine(terminal.io(), (text) => terminal.write(text));
    terminal.write("above\n");
    live.show((columns) => `${columns} `.repeat(100));
    for (const columns of widths) {
      terminal.resize(columns);
      const rows = terminal.rows();
      expect(rows[0]).toBe("above");
      expect(rows.slice(1), `${columns}`).toEqual([
        `${columns} `
          .repeat(100)
          .slice(0, columns - 1)
          .trimEnd(),
      ]);
    }
    live.end();
    terminal.write("below\n");
    expect(terminal.rows()).toEqual(["above", "below", ""]);
    expect(terminal.listeners).toBe(0);
  });

  test("is not written where there is no terminal", () => {
    const terminal = new Terminal(80);
    const live = new LiveLine({ ...terminal.io(), tty: false }, (text) => terminal.write(text));
    live.show(() => "something");
    live.end();
    expect(terminal.rows()).toEqual([""]);
  });

  test("of a training run fits every width, between steps too, and is gone at the end", () => {
    const terminal = new Terminal(120);
    const display = new Display(terminal.io(), false, new ProgressMeter(400, 1e6, 1e11));
    const step = (n: number): StepEvent =>
      ({
        kind: "step",
        step: n,
        loss: 4 / n,
        lr: 1e-3,
        norm: 0.7,
        ms: 12,
        tokensPerSecond: 64_000,
        tokens: 768 * n,
      }) as StepEvent;
    display.event(step(1));
    expect(terminal.rows()[0]).toMatch(/1\/400 {2}loss 4\.0000 {2}lr 1\.0e-3 {2}norm 0\.70 {2}64,000 tok\/s/);
    for (const columns of widths) {
      terminal.resize(columns);
      expect(terminal.rows(), `${columns}`).toHaveLength(1);
      if (columns >= 31) expect(terminal.rows()[0]).toContain("1/400");
      expect(terminal.rows()[0]!.length).toBeLessThan(columns);
    }
    display.end("done", "runs/x");
    expect(terminal.rows()[0]).toMatch(/^done: runs\/x/);
  });
});
