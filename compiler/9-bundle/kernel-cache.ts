/**
 * Kernels that were compiled before need not be compiled again. A name says all that their bytes depend on:
 * the source, how it is compiled, and what compiles it.
 */
import type { KeptBytes } from "../../runtime/contract/kept-bytes.ts";
import { sha256 } from "../../runtime/contract/sha256.ts";
import { TOOLCHAIN } from "./version.ts";

let cache: KeptBytes | undefined;

/** All that this process compiles from now on is looked for and kept there. Undefined: no more. */
export const useKernelCache = (used: KeptBytes | undefined): void => void (cache = used);

/** `how`: all that the bytes depend on, besides the tools that make them. */
export async function throughCache(
  how: readonly unknown[],
  compile: () => Promise<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!cache) return compile();
  const name = `${await sha256(JSON.stringify([TOOLCHAIN, ...how]))}.wasm`;
  const kept = await cache.read(name);
  if (kept) return kept;
  const wasm = await compile();
  await cache.write(name, wasm);
  return wasm;
}
