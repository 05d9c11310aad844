/** THE table of operations. To add one: write ops/<name>.ts, then add its row here. */
import type { Op } from "../op.ts";
import { add } from "./add.ts";
import { attention } from "./attention.ts";
import { attention_backward } from "./attention_backward.ts";
import { attention_cached } from "./attention_cached.ts";
import { matmul } from "./matmul.ts";
import { matmul_nt } from "./matmul_nt.ts";
import { matmul_tn } from "./matmul_tn.ts";

export const ops = { add, attention, attention_backward, attention_cached, matmul, matmul_nt, matmul_tn } satisfies Record<string, Op>;
export type OpName = keyof typeof ops;
