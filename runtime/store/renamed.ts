/**
 * Tensors that had another name in earlier releases. The only rmsnorm of a layer was called `rmsnorm_1` where
 * it stood beside `qk_norm: rmsnorm()`, because the word there was counted too; now it is called `rmsnorm`. A
 * run keeps the names of its own bundle; when its weights are read into the model of another, this finds
 * them, in either direction.
 */
const NORM = /(^|\.)rmsnorm(_1)?\./;

/** How the tensor `wanted` is called in `names`: by this name or by its other one. */
export function nameIn(names: { has(name: string): boolean }, wanted: string): string {
  const found = NORM.exec(wanted);
  if (!found || names.has(wanted)) return wanted;
  const [whole, before, first] = found as unknown as readonly [string, string, string | undefined];
  const otherwise = (part: string): string => wanted.replace(whole, `${before}${part}.`);
  const other = otherwise(first ? "rmsnorm" : "rmsnorm_1");
  // where there are several, the first is another tensor
  return names.has(other) && !names.has(otherwise("rmsnorm_2")) ? other : wanted;
}
