/**
 * Text with indentation, for generated code. `block("for (…)", () => { … })` is all the structure it needs.
 * `helper(name, emit)` adds a function to the module once, however many kernels ask for it.
 */
export class Writer {
  readonly #lines: string[] = [];
  readonly #helpers: Map<string, string>;
  #depth = 0;

  constructor(helpers: Map<string, string> = new Map()) {
    this.#helpers = helpers;
  }

  line(text = ""): void {
    this.#lines.push(text === "" ? "" : "  ".repeat(this.#depth) + text);
  }

  block(head: string, body: () => void): void {
    this.line(`${head} {`);
    this.#depth++;
    body();
    this.#depth--;
    this.line("}");
  }

  /** Emits a function that several kernels share. Its name must say everything that its text depends on. */
  helper(name: string, emit: (w: Writer) => void): string {
    if (!this.#helpers.has(name)) {
      this.#helpers.set(name, ""); // so that a helper that uses itself is not emitted again
      const w = new Writer(this.#helpers);
      emit(w);
      this.#helpers.delete(name);
      this.#helpers.set(name, String(w)); // now it stands after the helpers that it uses
    }
    return name;
  }

  toString(): string {
    return this.#lines.join("\n") + "\n";
  }
}

/** The numbers 0 … n − 1, for code that is written out n times. */
export const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
