/** THE table of operations. To add one: write ops/<name>.ts, then add its row here. */
import type { Op } from "./kit/op.ts";
import { activate, activate_backward } from "./elementwise/activate.ts";
import { adamw } from "./optimizer/adamw.ts";
import { add, add_vector } from "./elementwise/add.ts";
import { attention } from "./attention/attention.ts";
import { attention_backward } from "./attention/attention_backward.ts";
import { attention_cached } from "./attention/attention_cached.ts";
import { attention_cached_q8 } from "./attention/attention_cached_q8.ts";
import { attention_merge, attention_split } from "./attention/attention_split.ts";
import { balance, balance_backward } from "./experts/balance.ts";
import { bias, bias_backward } from "./elementwise/bias.ts";
import { copy } from "./elementwise/copy.ts";
import { cross_entropy, cross_entropy_backward, cross_entropy_grad } from "./loss/cross_entropy.ts";
import { default_weight } from "./loss/default_weight.ts";
import { dispatch } from "./experts/dispatch.ts";
import { embed, embed_dtable, embed_dpositions } from "./embedding/embed.ts";
import { embed_quantised } from "./embedding/embed_quantised.ts";
import { gated, gated_backward } from "./elementwise/gated.ts";
import { grad_norm, grad_norm_total } from "./optimizer/grad_norm.ts";
import { grouped_matmul, grouped_matmul_nt, grouped_matmul_tn } from "./experts/grouped_matmul.ts";
import { grouped_integer, grouped_quantised } from "./experts/grouped_quantised.ts";
import { head_norm, head_norm_dx, head_norm_dw } from "./norm/head_norm.ts";
import { layernorm, layernorm_dx, layernorm_dw } from "./norm/layernorm.ts";
import { loss_sum, loss_sum_backward } from "./loss/loss_sum.ts";
import { matmul } from "./matmul/matmul.ts";
import { matmul_split, matmul_sum } from "./matmul/matmul_split.ts";
import { matmul_nt } from "./matmul/matmul_nt.ts";
import { matmul_integer, matmul_quantised } from "./matmul/matmul_quantised.ts";
import { matmul_tn } from "./matmul/matmul_tn.ts";
import { quantise_rows } from "./matmul/quantise_rows.ts";
import { rmsnorm, rmsnorm_dx, rmsnorm_dw } from "./norm/rmsnorm.ts";
import { rope, rope_table } from "./attention/rope.ts";
import { route, route_backward } from "./experts/route.ts";
import { from_slots, slot_dots, to_slots } from "./experts/slots.ts";
import { take_row } from "./embedding/take_row.ts";
import { windows } from "./attention/windows.ts";

export const ops = {
  activate,
  activate_backward,
  adamw,
  add,
  add_vector,
  attention,
  attention_backward,
  attention_cached,
  attention_cached_q8,
  attention_split,
  attention_merge,
  balance,
  balance_backward,
  bias,
  bias_backward,
  copy,
  cross_entropy,
  cross_entropy_backward,
  cross_entropy_grad,
  default_weight,
  dispatch,
  embed,
  embed_dtable,
  embed_dpositions,
  embed_quantised,
  gated,
  gated_backward,
  grad_norm,
  grad_norm_total,
  grouped_matmul,
  grouped_matmul_nt,
  grouped_matmul_tn,
  grouped_quantised,
  grouped_integer,
  head_norm,
  head_norm_dx,
  head_norm_dw,
  layernorm,
  layernorm_dx,
  layernorm_dw,
  loss_sum,
  loss_sum_backward,
  matmul,
  matmul_nt,
  matmul_tn,
  matmul_split,
  matmul_sum,
  matmul_quantised,
  matmul_integer,
  quantise_rows,
  rmsnorm,
  rmsnorm_dx,
  rmsnorm_dw,
  rope,
  rope_table,
  route,
  route_backward,
  slot_dots,
  from_slots,
  to_slots,
  take_row,
  windows,
} satisfies Record<string, Op>;
export type OpName = keyof typeof ops;
