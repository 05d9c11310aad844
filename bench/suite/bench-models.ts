/**
 * The models of bench-sizes.sinter, which the peers' programs describe too, and the one of mixture.sinter,
 * which they do not.
 */
import { readFileSync } from "node:fs";
import { checkSource } from "../../compiler/2-check/check.ts";
import type { Model } from "../../runtime/contract/model.ts";

const modelsOf = (file: string): readonly Model[] =>
  checkSource(readFileSync(new URL(file, import.meta.url), "utf8")).models;
const sizes = modelsOf("../specs/bench-sizes.sinter");
const models: ReadonlyMap<string, Model> = new Map(
  [...sizes, ...modelsOf("../specs/mixture.sinter")].map((m) => [m.name, m]),
);

export const sizeNames: readonly string[] = sizes.map((m) => m.name);
export const mixtureSize = "mixture";

export function benchModel(size: string): Model {
  const model = models.get(size);
  if (!model) throw new Error(`there is no model ${size} to measure`);
  return model;
}

/** "4 layers, 4 heads, width 128, vocab 65; batches of 12 × 64 tokens". */
export const sizeLine = (size: string): string => {
  const { sizes: s, train: t } = benchModel(size);
  return (
    `${s.layers} layers, ${s.heads} heads, width ${s.width}, vocab ${s.vocab}; batches of ${t.batch} × ` +
    `${t.context} tokens`
  );
};
