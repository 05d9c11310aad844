/**
 * Names of tensors that earlier releases wrote otherwise. A layer whose only rmsnorm stood beside `qk_norm:
 * rmsnorm()` called it `rmsnorm_1`, because that word was counted as a part; it is `rmsnorm` now. Runs keep
 * the names of their own bundle; who reads one's weights into another's model finds them here, in either
 * direction.
 */
const NORM = /(^|\.)rmsnorm(_1)?\./;

/** What `names` calls the tensor `wanted`: that, or its other name. */
export function nameIn(names: { has(name: string): boolean }, wanted: string): string {
  const found = NORM.exec(wanted);
  if (!found || names.has(wanted)) return wanted;
  const [whole, before, first] = found as unknown as readonly [string, string, string | undefined];
  const otherwise = (part: string): string => wanted.replace(whole, `${before}${part}.`);
  const other = otherwise(first ? "rmsnorm" : "rmsnorm_1");
  // the first of several is another tensor
  return names.has(other) && !names.has(otherwise("rmsnorm_2")) ? other : wanted;
}
