/** Turns the parts of the language into nodes; 2-check/parts.ts has their equations. */
import type { Norm, Part } from "../../runtime/contract/model.ts";
import { attention } from "./build-attention.ts";
import { activation, emit, initialStd, parameter, type Builder } from "./builder.ts";
import { experts } from "./experts.ts";
import { LINE_COLUMNS, linesOf } from "../ops/kit/lines.ts";
import type { Ref } from "./ir.ts";
import { linear, partName, residualStd, tiedLinear } from "./linear.ts";

/** `outName` names the result of a norm or a linear map; the default is the part's name and ".out". */
export function part(b: Builder, p: Part, x: Ref, outName?: string): Ref {
  const rows = b.values.get(x.value)!.shape[0]!;
  switch (p.part) {
    case "layernorm":
    case "rmsnorm":
      return normOf(b, p, x, outName);
    case "attention":
      return attention(b, p, x, rows);
    case "mlp": {
      const up = linear(b, partName(b, p, "up"), x, rows, p.width, p.hidden, p.bias, initialStd(b));
      const hidden = activation(b, `${p.name}.hidden`, [rows, p.hidden]);
      const bend = activation(b, `${p.name}.bend`, [linesOf(p.hidden), rows, LINE_COLUMNS]);
      emit(b, "activate", { x: up }, { out: hidden, bend }, { activation: p.activation });
      return linear(b, partName(b, p, "down"), hidden, rows, p.hidden, p.width, p.bias, residualStd(b));
    }
    case "swiglu":
    case "geglu": {
      const map = (inner: string): Ref =>
        linear(b, partName(b, p, inner), x, rows, p.width, p.hidden, p.bias, initialStd(b));
      const gate = map("gate");
      const up = map("up");
      const hidden = activation(b, `${p.name}.hidden`, [rows, p.hidden]);
      emit(b, "gated", { gate, up }, { out: hidden }, { activation: p.activation });
      return linear(b, partName(b, p, "down"), hidden, rows, p.hidden, p.width, p.bias, residualStd(b));
    }
    case "experts":
      return experts(b, p, x, rows);
    case "linear":
      return p.tied
        ? tiedLinear(b, p, x, rows, outName)
        : linear(b, partName(b, p), x, rows, p.width, p.out, p.bias, initialStd(b), outName);
    default:
      return p satisfies never;
  }
}

/** `outName` names the result [rows, width]; the default is the part's name and ".out". */
export function normOf(b: Builder, p: Norm, x: Ref, outName?: string): Ref {
  const name = partName(b, p);
  const rows = b.values.get(x.value)!.shape[0]!;
  const w = p.weight ? parameter(b, `${name}.weight`, [p.width], { kind: "constant", value: 1 }) : undefined;
  const bias = p.bias ? parameter(b, `${name}.bias`, [p.width], { kind: "constant", value: 0 }) : undefined;
  const out = activation(b, outName ?? `${name}.out`, [rows, p.width]);
  const rstd = activation(b, `${name}.rstd`, [rows]);
  const mean = p.part === "layernorm" ? activation(b, `${name}.mean`, [rows]) : undefined;
  emit(b, p.part, { x, w, b: bias }, { out, mean, rstd }, { eps: p.eps });
  return out;
}
