/**
 * What happens to a product's elements before they are stored:
 *
 *   v = acc;  v += bias;  bend = act'(v) − act'(0);  v = act(v);  v = v · (gate + act'(0));  v += add;
 *   out = v
 *
 * The bend that a forward product writes is the gate of a product in the backward pass. The register tile
 * itself adds and gates (kit/register-tile.ts). When there is an activation, the tile is stored in a corner
 * of scratch (where it stays in L1), and a function does the rest row by row. A module has one such function
 * for each activation, and all its kernels share it.
 */
import { activations, emitTimesSlope } from "../../kit/activations.ts";
import type { Kernel } from "../../kit/op.ts";
import { count, type Writer } from "../../kit/writer.ts";
import { LINE_BYTES } from "../../kit/row-loops.ts";
import { isLines, type Epilogue, type EpilogueTensor } from "./cache-blocks.ts";

type EpilogueKernel = Kernel<EpilogueTensor, Partial<Epilogue>>;

/** The tensors that take part beside out, in the order of the function's arguments. */
const epilogueTensors = (k: EpilogueKernel): readonly EpilogueTensor[] =>
  (["bias", "bend", "gate", "add"] as const).filter((t) => k.has(t));

/**
 * The arguments for these tensors, given the places of a row's 16 columns, or part of them: in bytes from the
 * beginning of bias, of a tensor [M,N], and of one [L,M,16].
 */
export const epilogueArguments = (
  k: EpilogueKernel,
  at: Readonly<Partial<Record<EpilogueTensor, string>>>,
  places: Readonly<Record<"column" | "element" | "line", string>>,
): readonly string[] =>
  epilogueTensors(k).map(
    (t) => `${at[t]} + ${places[t === "bias" ? "column" : isLines(t) ? "line" : "element"]}`,
  );

/**
 * A function (tile, rows, out, outBytes, …): tile[rows,NR] → out[rows,NR]. The tile's rows are NR floats
 * apart, those of gate and bend a line, those of all other tensors `outBytes`.
 */
export function epilogueFunction(w: Writer, k: EpilogueKernel, NR: number): string {
  const { activation = "none", derivative = "none" } = k.attrs;
  const tensors = epilogueTensors(k);
  const byRow: readonly EpilogueTensor[] = ["out", ...tensors.filter((t) => t !== "bias")];
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
        row(h, NR, k, activation, derivative);
        h.line(byRow.map((t) => `${t} += ${isLines(t) ? LINE_BYTES : "outBytes"};`).join(" "));
      });
    });
  });
}

/**
 * A row: pairs of halves of the same form, stores adjacent, so that V8 joins them. Everything is computed
 * before anything is stored: so all pairs share what is loaded of constants.
 */
function row(
  h: Writer,
  NR: number,
  k: EpilogueKernel,
  activation: Epilogue["activation"],
  derivative: Epilogue["derivative"],
): void {
  const vectors = count(NR / 4).map((j) => ({ v: `v${j}`, at: 16 * j }));
  const each = (text: (v: string, at: number) => string): void => {
    for (const { v, at } of vectors) h.line(text(v, at));
  };
  each((v, at) => `let ${v} = v128.load(tile, ${at});`);
  if (k.has("bias")) each((v, at) => `${v} = f32x4.add(${v}, v128.load(bias, ${at}));`);
  if (activation !== "none") {
    const { emitCommon, emitValue, emitBend } = activations[activation];
    each((v) => `const common_${v} = ${emitCommon(v)};`);
    if (k.has("bend")) each((v) => `const bend_${v} = ${emitBend(v, `common_${v}`)};`);
    each((v) => `${v} = ${emitValue(v, `common_${v}`)};`);
  }
  if (derivative !== "none")
    each((v, at) => `${v} = ${emitTimesSlope(activations[derivative], v, `v128.load(gate, ${at})`)};`);
  if (k.has("add")) each((v, at) => `${v} = f32x4.add(${v}, v128.load(add, ${at}));`);
  if (k.has("bend")) each((v, at) => `v128.store(bend, bend_${v}, ${at});`);
  each((v, at) => `v128.store(out, ${v}, ${at});`);
}

export function equation(k: EpilogueKernel): string {
  const biased = k.has("bias") ? "(v + bias)" : "v";
  const { activation = "none", derivative = "none" } = k.attrs;
  const active = activation === "none" ? biased : `${activation}${k.has("bias") ? biased : "(v)"}`;
  const atZero = derivative === "none" ? 0 : activations[derivative].slopeAtZero;
  const factor = derivative === "none" ? "" : ` · ${atZero === 0 ? "gate" : `(gate + ${atZero})`}`;
  const bend = k.has("bend") ? `, bend = ${activation}' − ${activation}'(0)` : "";
  return `out = ${active}${factor}${k.has("add") ? " + add" : ""}${bend}`;
}
