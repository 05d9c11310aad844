/**
 * What happens to a product's elements before they are stored:
 *
 *   v = acc;  v += bias;  pre = v;  v = act(v);  v = v · act'(gate);  v += add;  out = v
 *
 * The register tile itself adds a bias or a tensor (kit/register-tile.ts). When there is an activation, the
 * tile is stored in a corner of scratch (where it stays in L1), and a function does the rest row by row. A
 * module has one such function for each activation, and all its kernels share it.
 */
import { activations } from "../../kit/activations.ts";
import type { Kernel } from "../../kit/op.ts";
import type { Writer } from "../../kit/writer.ts";
import type { Epilogue, EpilogueTensor } from "./cache-blocks.ts";

type EpilogueKernel = Kernel<EpilogueTensor, Partial<Epilogue>>;

/** The tensors that take part beside out, in the order of the function's arguments. */
export const epilogueTensors = (k: EpilogueKernel): readonly EpilogueTensor[] =>
  (["bias", "pre", "gate", "add"] as const).filter((t) => k.has(t));

/**
 * A function (tile, rows, out, outBytes, …): tile[rows,NR] → out[rows,NR]. The tile's rows are NR floats
 * apart, those of all other tensors `outBytes`.
 */
export function epilogueFunction(w: Writer, k: EpilogueKernel, NR: number): string {
  const { activation = "none", derivative = "none" } = k.attrs;
  const tensors = epilogueTensors(k);
  const byRow = tensors.filter((t) => t !== "bias");
  const name = [
    "epilogue",
    NR,
    activation,
    ...(derivative === "none" ? [] : ["by", derivative]),
    ...tensors,
  ].join("_");
  return w.helper(name, (h) => {
    h.line(`/** tile[rows,${NR}] -> out: ${equation(k)} */`);
    const parameters = [
      "tile: usize",
      "rows: usize",
      "out: usize",
      "outBytes: usize",
      ...tensors.map((t) => `${t}: usize`),
    ];
    h.block(`function ${name}(${parameters.join(", ")}): void`, () => {
      h.block(`for (const end = tile + rows * ${NR * 4}; tile < end; tile += ${NR * 4})`, () => {
        for (let at = 0; at < NR * 4; at += 32) pair(h, at, k, activation, derivative);
        h.line(["out", ...byRow].map((t) => `${t} += outBytes;`).join(" "));
      });
    });
  });
}

/** Eight columns: two halves of the same form, stores adjacent, so that V8 joins them. */
function pair(
  h: Writer,
  at: number,
  k: EpilogueKernel,
  activation: Epilogue["activation"],
  derivative: Epilogue["derivative"],
): void {
  const halves = [
    { v: `v${at}`, at },
    { v: `v${at + 16}`, at: at + 16 },
  ];
  const each = (text: (v: string, at: number) => string): void => {
    for (const half of halves) h.line(text(half.v, half.at));
  };
  each((v, i) => `let ${v} = v128.load(tile, ${i});`);
  if (k.has("bias")) each((v, i) => `${v} = f32x4.add(${v}, v128.load(bias, ${i}));`);
  if (k.has("pre")) each((v, i) => `v128.store(pre, ${v}, ${i});`);
  if (activation !== "none") each((v) => `${v} = ${activations[activation].emitValue(v)};`);
  if (derivative !== "none") {
    each((v, i) => `const gate${v} = v128.load(gate, ${i});`);
    each((v) => `${v} = f32x4.mul(${v}, ${activations[derivative].emitSlope(`gate${v}`)});`);
  }
  if (k.has("add")) each((v, i) => `${v} = f32x4.add(${v}, v128.load(add, ${i}));`);
  each((v, i) => `v128.store(out, ${v}, ${i});`);
}

export function equation(k: EpilogueKernel): string {
  const biased = k.has("bias") ? "(v + bias)" : "v";
  const { activation = "none", derivative = "none" } = k.attrs;
  const active = activation === "none" ? biased : `${activation}${k.has("bias") ? biased : "(v)"}`;
  const factor = derivative === "none" ? "" : ` · ${derivative}'(gate)`;
  return `out = ${active}${factor}${k.has("add") ? " + add" : ""}`;
}
