/**
 * How the compiler's table of contents (compile.ts) is run: passes change an IR, stages make the next thing
 * of it. Both say why they stand where they stand, and both can be looked at.
 */

/** IR → IR. `C` is what passes may know beside it. */
export interface Pass<IR, C> {
  readonly name: string;
  readonly why: string;
  /** Default: always. */
  when?(context: C): boolean;
  run(ir: IR, context: C): IR;
}

/** In → Out, and the texts that a dump of the result has: file → contents. */
export interface Stage<In, Out, C> {
  readonly why: string;
  run(input: In, context: C): Out;
  texts(output: Out): Iterable<readonly [file: string, text: string]>;
}

/**
 * All that the pure core may ask of the world outside. Each is optional; tests pass `verify`, `--dump` passes
 * `dump`.
 */
export interface Host<IR> {
  dump?(file: string, text: string): void;
  verify?(ir: IR, after: string): void;
}

/** Runs the passes whose `when` holds, in their order. */
export function runPasses<IR, C>(
  ir: IR,
  passes: readonly Pass<IR, C>[],
  context: C,
  print: (ir: IR) => string,
  host: Host<IR> = {},
): IR {
  let before = print(ir);
  host.verify?.(ir, "start");
  host.dump?.("00-start.txt", before);
  const chosen = passes.filter((pass) => pass.when?.(context) ?? true);
  for (const [i, pass] of chosen.entries()) {
    ir = pass.run(ir, context);
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

export function runStage<In, Out, C>(
  stage: Stage<In, Out, C>,
  input: In,
  context: C,
  dump?: (file: string, text: string) => void,
): Out {
  const output = stage.run(input, context);
  if (dump) for (const [file, text] of stage.texts(output)) dump(file, text);
  return output;
}
