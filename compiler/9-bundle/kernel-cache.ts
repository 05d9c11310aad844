/**
 * Kernels that were compiled before need not be compiled again. A name says all that their bytes depend on:
 * the source, how it is compiled, and what compiles it.
 */
import type { KeptBytes } from "../../runtime/contract/kept-bytes.ts";
import { sha256 } from "../../runtime/contract/sha256.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { TOOLCHAIN } from "./version.ts";

/** All that the bytes of kernels depend on, besides the tools that make them. */
export interface Recipe {
  readonly source: string;
  readonly target: Target;
  /** How asc is called for this target. */
  readonly arguments: readonly string[];
  /** What binaryen does afterwards. */
  readonly passes: readonly string[];
}

/** Compiles in another process. Undefined: that one cannot. */
export type CompileBeside = (recipe: Recipe) => Promise<Uint8Array<ArrayBuffer> | undefined>;

let cache: KeptBytes | undefined;
let beside: CompileBeside | undefined;

/**
 * All that this process compiles from now on is looked for and kept there, undefined: no more; and what is
 * not there is compiled by `compileBeside`, where it is given.
 */
export function useKernelCache(used: KeptBytes | undefined, compileBeside?: CompileBeside): void {
  cache = used;
  beside = compileBeside;
}

/** What the recipe makes: kept, compiled beside, or by `compile`. */
export async function throughCache(
  recipe: Recipe,
  compile: () => Promise<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!cache) return compile();
  const { source, arguments: words, passes } = recipe;
  const name = `${await sha256(JSON.stringify([TOOLCHAIN, words, passes, source]))}.wasm`;
  const kept = await cache.read(name);
  if (kept) return kept;
  const wasm = (await beside?.(recipe)) ?? (await compile());
  await cache.write(name, wasm);
  return wasm;
}
