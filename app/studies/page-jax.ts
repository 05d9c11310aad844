/**
 * What app/studies/page.ts runs of jax-js in the page: a step of training of a GPT in the spec's sizes, by
 * its own functions on its WebAssembly backend. Layers as quickstart.sinter has them, and an update by Adam.
 */
import type { Sizes } from "../../runtime/contract/model.ts";

export interface JaxPlan {
  readonly sizes: Pick<Sizes, "vocab" | "width" | "layers" | "heads">;
  readonly batch: number;
  readonly context: number;
  readonly rounds: number;
  readonly steps: number;
}

/** jax-js frees an array when it is read, unless it has one more reference. */
interface Values {
  readonly ref: Values;
  readonly shape: readonly number[];
  add(other: Values | number): Values;
  sub(other: Values): Values;
  mul(other: Values | number): Values;
  div(other: Values): Values;
  sum(): Values;
  reshape(shape: readonly number[]): Values;
  transpose(): Values;
  data(): Promise<Float32Array>;
}
type Named = Record<string, Values>;
type Step = (p: Named, m: Named, v: Named, x: Values, y: Values) => [Values, Named, Named, Named];
interface Jax {
  init(device: string): Promise<string[]>;
  defaultDevice(device: string): void;
  jit(step: Step): Step;
  valueAndGrad(
    f: (p: Named, x: Values, y: Values) => Values,
  ): (p: Named, x: Values, y: Values) => [Values, Named];
  blockUntilReady(of: Named): Promise<unknown>;
  readonly tree: { ref(of: Named): Named };
  readonly numpy: {
    array(values: Float32Array | Int32Array): Values;
    ones(shape: readonly number[]): Values;
    zeros(shape: readonly number[]): Values;
    matmul(a: Values, b: Values): Values;
    split(of: Values, parts: number, axis: number): [Values, Values, Values];
    sqrt(of: Values): Values;
  };
  readonly nn: {
    standardize(of: Values): Values;
    gelu(of: Values): Values;
    logSoftmax(of: Values): Values;
    oneHot(of: Values, classes: number): Values;
    dotProductAttention(q: Values, k: Values, v: Values, how: { readonly isCausal: boolean }): Values;
  };
}

/** Mean loss of rows x [B,T,V] and y [B,T,V], one-hot. */
const lossOf =
  ({ numpy: np, nn }: Jax, { sizes, batch, context }: JaxPlan) =>
  (p: Named, x: Values, y: Values): Values => {
    const { vocab: V, width: C, layers, heads } = sizes;
    const rows = batch * context;
    const norm = (of: Values, weight: Values): Values => nn.standardize(of).mul(weight).reshape([rows, C]);
    let h = np.matmul(x.reshape([rows, V]), p["tokens"]!.ref).reshape([batch, context, C]);
    h = h.add(p["positions"]!);
    for (let l = 0; l < layers; l++) {
      const qkv = np.matmul(norm(h.ref, p[`norm1.${l}`]!), p[`qkv.${l}`]!);
      const perHead = [batch, context, heads, C / heads];
      const [q, k, v] = np.split(qkv.reshape([batch, context, 3, heads, C / heads]), 3, 2);
      const attended = nn.dotProductAttention(q.reshape(perHead), k.reshape(perHead), v.reshape(perHead), {
        isCausal: true,
      });
      const out = np.matmul(attended.reshape([rows, C]), p[`out.${l}`]!);
      h = h.add(out.reshape([batch, context, C]));
      const up = nn.gelu(np.matmul(norm(h.ref, p[`norm2.${l}`]!), p[`up.${l}`]!));
      h = h.add(np.matmul(up, p[`down.${l}`]!).reshape([batch, context, C]));
    }
    const logits = np.matmul(norm(h, p["norm"]!), p["tokens"]!.transpose());
    return nn
      .logSoftmax(logits)
      .mul(y.reshape([rows, V]))
      .sum()
      .mul(-1 / rows);
  };

function drawn({ numpy: np }: Jax, { sizes, context }: JaxPlan): Named {
  const { vocab, width: C, layers } = sizes;
  const draw = (a: number, b: number): Values =>
    np.array(Float32Array.from({ length: a * b }, () => (Math.random() - 0.5) * 0.04)).reshape([a, b]);
  const p: Named = { tokens: draw(vocab, C), positions: draw(context, C), norm: np.ones([C]) };
  for (let l = 0; l < layers; l++)
    Object.assign(p, {
      [`norm1.${l}`]: np.ones([C]),
      [`qkv.${l}`]: draw(C, 3 * C),
      [`out.${l}`]: draw(C, C),
      [`norm2.${l}`]: np.ones([C]),
      [`up.${l}`]: draw(C, 4 * C),
      [`down.${l}`]: draw(4 * C, C),
    });
  return p;
}

/** Loss, gradients and an update by Adam. */
const stepOf = (jax: Jax, plan: JaxPlan): Step =>
  jax.jit((p, m, v, x, y) => {
    const [loss, gradients] = jax.valueAndGrad(lossOf(jax, plan))(jax.tree.ref(p), x, y);
    const [next, moments, squares]: [Named, Named, Named] = [{}, {}, {}];
    for (const name of Object.keys(p)) {
      const g = gradients[name]!;
      const moment = m[name]!.mul(0.9).add(g.ref.mul(0.1));
      const square = v[name]!.mul(0.99).add(g.ref.mul(g).mul(0.01));
      const change = moment.ref.div(jax.numpy.sqrt(square.ref).add(1e-8)).mul(1e-3);
      next[name] = p[name]!.sub(change);
      moments[name] = moment;
      squares[name] = square;
    }
    return [loss, next, moments, squares];
  });

/** In a page: tokens per second of each round, when /turn has been answered; and the losses at both ends. */
export async function jaxInPage(plan: JaxPlan): Promise<{ speeds: number[]; first: number; last: number }> {
  const jax = (await import("/jax/index.js" as string)) as Jax;
  if (!(await jax.init("wasm")).includes("wasm")) throw new Error("jax-js has no WebAssembly here");
  jax.defaultDevice("wasm");
  const { numpy: np, nn } = jax;
  const { batch, context, sizes } = plan;
  const learn = stepOf(jax, plan);
  const zeros = (of: Named): Named =>
    Object.fromEntries(Object.entries(of).map(([name, { shape }]) => [name, np.zeros(shape)]));
  const rows = (): Values => {
    const ids = Int32Array.from({ length: batch * context }, () => Math.floor(Math.random() * 64));
    return nn.oneHot(np.array(ids), sizes.vocab).reshape([batch, context, sizes.vocab]);
  };
  let p = drawn(jax, plan);
  let [m, v] = [zeros(p), zeros(p)];
  const round = async (): Promise<readonly [speed: number, loss: number]> => {
    const began = performance.now();
    let loss = 0;
    for (let step = 0; step < plan.steps; step++) {
      const [said, ...next] = learn(p, m, v, rows(), rows());
      [p, m, v] = next;
      loss = (await said.data())[0]!;
    }
    await jax.blockUntilReady(jax.tree.ref(p));
    return [(1000 * plan.steps * batch * context) / (performance.now() - began), loss];
  };
  const [, first] = await round();
  const speeds: number[] = [];
  let last = first;
  for (let i = 0; i < plan.rounds; i++) {
    await fetch("/turn");
    const [speed, loss] = await round();
    speeds.push(speed);
    last = loss;
  }
  return { speeds, first, last };
}
