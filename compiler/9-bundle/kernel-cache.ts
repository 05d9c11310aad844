/**
 * Kernels that were compiled before need not be compiled again. A name says all that their bytes depend on:
 * the source, how it is compiled, and what compiles it. Where they are kept is the host's matter: the command
 * line has a folder for them (app/cli/terminal/kernel-folder.ts), a page has none.
 */
import { sha256 } from "../../runtime/contract/sha256.ts";
import { TOOLCHAIN } from "./version.ts";

export interface KernelCache {
  /** What was kept under the name; undefined: nothing, or nothing whole. */
  read(name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Does nothing where it cannot be kept: it would only have saved time. */
  write(name: string, wasm: Uint8Array<ArrayBuffer>): Promise<void>;
}

let cache: KernelCache | undefined;

/** All that this process compiles from now on is looked for and kept there. Undefined: no more. */
export const useKernelCache = (used: KernelCache | undefined): void => void (cache = used);

/** `how`: all that the bytes depend on, besides the tools that make them. */
export async function throughCache(
  how: readonly unknown[],
  compile: () => Promise<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!cache) return compile();
  const name = await sha256(JSON.stringify([TOOLCHAIN, ...how]));
  const kept = await cache.read(name);
  if (kept) return kept;
  const wasm = await compile();
  await cache.write(name, wasm);
  return wasm;
}
