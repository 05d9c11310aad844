/** Kinds of operations, by which a drawing colours its kernels: THE table, the first that fits. */
const table = [
  ["update", /^(?:adamw|grad_norm)/],
  ["norm", /norm/],
  ["attention", /^(?:attention|rope|windows)/],
  ["product", /matmul|^row_dot/],
  ["experts", /^(?:route|dispatch|grouped|balance|(?:to|from)_slots|slot_dots)/],
  ["embedding", /^(?:embed|take_row|lane_rows)/],
  ["loss", /^(?:cross_entropy|entropy|loss|objective|default_weight)/],
  ["sampling", /^(?:sample|advance)/],
  ["element", /./],
] as const;

export type Kind = (typeof table)[number][0];

export const kindOf = (op: string): Kind => table.find(([, names]) => names.test(op))![0];
