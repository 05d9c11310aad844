/** THE table of operations. To add one: write ops/<name>.ts, then add its row here. */
import type { Op } from "../op.ts";
import { add } from "./add.ts";

export const ops = { add } satisfies Record<string, Op>;
export type OpName = keyof typeof ops;
