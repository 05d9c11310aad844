/** The models of bench-sizes.sinter, which the peers' programs describe too. */
import { readFileSync } from "node:fs";
import { checkSource } from "../compiler/2-check/check.ts";
import type { Model } from "../compiler/2-check/model.ts";

const spec = readFileSync(new URL("bench-sizes.sinter", import.meta.url), "utf8");
const models: ReadonlyMap<string, Model> = new Map(checkSource(spec).models.map((m) => [m.name, m]));

export const sizeNames: readonly string[] = [...models.keys()];

export function benchModel(size: string): Model {
  const model = models.get(size);
  if (!model) throw new Error(`bench-sizes.sinter has no model ${size}`);
  return model;
}

/** "4 layers, 4 heads, width 128, vocab 65; batches of 12 × 64 tokens". */
export const sizeLine = (size: string): string => {
  const { sizes: s, train: t } = benchModel(size);
  return `${s.layers} layers, ${s.heads} heads, width ${s.width}, vocab ${s.vocab}; batches of ${t.batch} × ${t.context} tokens`;
};
