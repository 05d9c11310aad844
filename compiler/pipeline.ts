/**
 * Runs a list of passes over an IR. The compiler's table of contents is the list that compile.ts hands in.
 */
export interface Pass<IR> {
  readonly name: string;
  readonly why: string;
  run(ir: IR): IR;
}

/**
 * All that the pure core may ask of the world outside. Each is optional; tests pass `verify`, `--dump` passes
 * `dump`.
 */
export interface Host<IR> {
  dump?(file: string, text: string): void;
  verify?(ir: IR, after: string): void;
}

export function runPasses<IR>(
  ir: IR,
  passes: readonly Pass<IR>[],
  print: (ir: IR) => string,
  host: Host<IR> = {},
): IR {
  let before = print(ir);
  host.verify?.(ir, "start");
  host.dump?.("00-start.txt", before);
  for (const [i, pass] of passes.entries()) {
    ir = pass.run(ir);
    host.verify?.(ir, pass.name);
    const after = print(ir);
    host.dump?.(
      `${String(i + 1).padStart(2, "0")}-${pass.name}.txt`,
      after === before ? "(unchanged)\n" : after,
    );
    before = after;
  }
  return ir;
}
