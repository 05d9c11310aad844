/**
 * THE table of operations, by family. To add one: write ops/<family>/<name>.ts, then add its import and its
 * row here.
 */
import { activate, activate_backward } from "./elementwise/activate.ts";
import { adapter_scale } from "./elementwise/adapter_scale.ts";
import { add, add_vector } from "./elementwise/add.ts";
import { bias, bias_backward } from "./elementwise/bias.ts";
import { copy } from "./elementwise/copy.ts";
import { gated, gated_backward } from "./elementwise/gated.ts";
import { qk_norm, qk_norm_dw, qk_norm_dx } from "./norm/qk_norm.ts";
import { layernorm, layernorm_dw, layernorm_dx } from "./norm/layernorm.ts";
import { rmsnorm, rmsnorm_dw, rmsnorm_dx } from "./norm/rmsnorm.ts";
import { matmul } from "./matmul/matmul.ts";
import { matmul_nt } from "./matmul/matmul_nt.ts";
import { matmul_integer } from "./matmul/matmul_integer.ts";
import { matmul_quantised } from "./matmul/matmul_quantised.ts";
import { matmul_quantised_dx } from "./matmul/matmul_quantised_dx.ts";
import { matmul_split, matmul_sum } from "./matmul/matmul_split.ts";
import { matmul_tn } from "./matmul/matmul_tn.ts";
import { row_dot, row_dot_dw, row_dot_dx } from "./matmul/row_dot.ts";
import { quantise_rows } from "./matmul/quantise_rows.ts";
import { attention } from "./attention/attention.ts";
import { attention_backward } from "./attention/attention_backward.ts";
import { attention_cached } from "./attention/attention_cached.ts";
import { attention_cached_q8 } from "./attention/attention_cached_q8.ts";
import { attention_merge, attention_split } from "./attention/attention_split.ts";
import { attention_sum, attention_weights } from "./attention/attention_weights.ts";
import { rope, rope_table } from "./attention/rope.ts";
import { windows } from "./attention/windows.ts";
import { balance, balance_backward } from "./experts/balance.ts";
import { dispatch } from "./experts/dispatch.ts";
import { grouped_matmul, grouped_matmul_nt, grouped_matmul_tn } from "./experts/grouped_matmul.ts";
import { grouped_integer } from "./experts/grouped_integer.ts";
import { grouped_quantised } from "./experts/grouped_quantised.ts";
import { route, route_backward } from "./experts/route.ts";
import { from_slots, slot_dots, to_slots } from "./experts/slots.ts";
import { embed, embed_dpositions, embed_dtable } from "./embedding/embed.ts";
import { embed_quantised } from "./embedding/embed_quantised.ts";
import { lane_rows } from "./embedding/lane_rows.ts";
import { take_row } from "./embedding/take_row.ts";
import { cross_entropy, cross_entropy_backward, cross_entropy_grad } from "./loss/cross_entropy.ts";
import { default_weight } from "./loss/default_weight.ts";
import { entropy, entropy_backward } from "./loss/entropy.ts";
import { loss_sum, loss_sum_backward } from "./loss/loss_sum.ts";
import { objective } from "./objective/objective.ts";
import { adamw } from "./optimizer/adamw.ts";
import { adamw8 } from "./optimizer/adamw8.ts";
import { grad_norm, grad_norm_total } from "./optimizer/grad_norm.ts";
import { advance_texts } from "./sampling/advance_texts.ts";
import { sample_rows } from "./sampling/sample_rows.ts";
import type { Attrs, AttrTypes, Op } from "./kit/op.ts";
import type { InputsOf, OptionalOf, OutputsOf } from "./kit/signature.ts";
import type { Replacements } from "./kit/replacements.ts";
import type { Related } from "./kit/related.ts";

const table = {
  // Element by element
  activate, // f(x), the nonlinearity of an mlp
  activate_backward, // f′(x) · d_out
  adapter_scale, // by how much an adapter counts
  add, // a + b: residuals, and cotangents of a value that is used twice
  add_vector, // the same for vectors
  bias, // a vector added to every row
  bias_backward, // the sum over rows
  copy, // the same values at another place
  gated, // f(gate) · up: swiglu, geglu
  gated_backward, // cotangents of gate and up

  // Rows to mean 0 or length 1
  layernorm, // (x − mean) / deviation · w + b
  layernorm_dx, // its cotangent of x
  layernorm_dw, // gradients of w and b
  rmsnorm, // x / root mean square · w
  rmsnorm_dx, // its cotangent of x
  rmsnorm_dw, // gradients of w and b
  qk_norm, // rmsnorm of each head's queries and keys
  qk_norm_dx, // its cotangent of x
  qk_norm_dw, // gradients of both weights

  // Matrix products
  matmul, // a·b, with bias, activation and residual fused in
  matmul_nt, // a·bᵀ, likewise: cotangents of inputs, tied output
  matmul_tn, // aᵀ·b, added up: gradients of weights
  matmul_split, // partial products of a few rows, one for each stretch of b
  matmul_sum, // their sum, with what is fused into a product
  matmul_quantised, // a·bᵀ with b in q8_0, q4_0 or bf16
  matmul_quantised_dx, // its cotangent of a
  matmul_integer, // a·bᵀ for rows that are integers too
  row_dot, // one number per row: a scalar head
  row_dot_dx, // its cotangent of x
  row_dot_dw, // gradients of its weights and its bias
  quantise_rows, // rows of a as integers and scales

  // Attention
  attention, // softmax(Q Kᵀ / √D) V over whole sequences
  attention_backward, // its cotangent of q, k and v
  attention_cached, // new rows over the keys and values of earlier positions
  attention_cached_q8, // the same with a cache in 8 bits
  attention_split, // one new row over parts of the cache
  attention_merge, // the parts' results as one
  attention_weights, // softmax(Q Kᵀ / √D) itself, to look at
  attention_sum, // it times V, each head by how much it counts
  rope, // queries and keys rotated by their positions
  rope_table, // the cosines and sines of this call's positions
  windows, // how far each layer sees, where layers differ

  // Mixtures of experts
  route, // the largest logits of each row, and their weights
  route_backward, // cotangent of the logits
  dispatch, // rows sorted by expert: slots
  to_slots, // rows to their slots
  from_slots, // weighted sums of slots, back in rows
  slot_dots, // cotangent of the weights in that sum
  grouped_matmul, // each slot times its expert's matrix
  grouped_matmul_nt, // the same with the matrices transposed
  grouped_matmul_tn, // gradients of the matrices
  grouped_quantised, // each slot times its expert's matrix in q8_0, q4_0 or bf16
  grouped_integer, // the same for slots that are integers too
  balance, // the loss that keeps experts evenly busy
  balance_backward, // its cotangent of the logits

  // Tokens to rows
  embed, // a row of the table for each token, plus one for its position
  embed_dtable, // gradient of the table
  embed_dpositions, // gradient of the positions' table
  embed_quantised, // embed with a table in q8_0, q4_0 or bf16
  take_row, // one row of many
  lane_rows, // what is said of lanes, for the rows of their texts

  // The objective
  cross_entropy, // −ln softmax(logits)[target] of each row
  cross_entropy_backward, // its cotangent of the logits
  cross_entropy_grad, // both at once: they share the softmax
  entropy, // −Σ p ln p of each row's prediction
  entropy_backward, // its cotangent of the logits
  loss_sum, // the sum of the counted losses, and their number
  loss_sum_backward, // the same cotangent for all of them
  objective, // an objective's equation, and its slopes
  default_weight, // the weight of each row where nobody gives another

  // The next token
  sample_rows, // drawn from the logits of each text, by the text's own settings and random stream
  advance_texts, // texts with their new tokens: those that go on are the rows of the next run

  // The update
  grad_norm, // sums of squares of pieces of the gradient
  grad_norm_total, // the gradient's length
  adamw, // the step of all parameters
  adamw8, // the same with moments in 8 bits
};

/** Every op; that each gradient's steps are ones that there are is checked by type. */
export const ops = table satisfies Related<typeof table>;

export type OpName = keyof typeof ops;
export type AttrsOf<K extends OpName> = AttrTypes<(typeof ops)[K]["attrs"]>;

/** An op for whoever takes ops as they come; those that may replace it are of this table. */
export type AnyOp = Op & Replacements<string, string, Attrs, OpName>;
export const opOf = (name: OpName): AnyOp => ops[name];

/** A T for each input (output) of an op; undefined for one that is left out. */
export type InsOf<K extends OpName, T> = Arguments<K, InputsOf<(typeof ops)[K]["signature"]>, T>;
export type OutsOf<K extends OpName, T> = Arguments<K, OutputsOf<(typeof ops)[K]["signature"]>, T>;
type Arguments<K extends OpName, Names extends string, T> = {
  readonly [N in Exclude<Names, OptionalOf<(typeof ops)[K]["signature"]>>]: T;
} & {
  readonly [N in Extract<Names, OptionalOf<(typeof ops)[K]["signature"]>>]?: T | undefined;
};
