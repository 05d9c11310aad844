/**
 * A module imports its memory. The import asks for as many pages as one worker needs, or more, up to the most
 * that there can be: whoever loads the module makes the memory as large as its workers need
 * (worker-memory.ts).
 *
 * One byte of the import says whether the memory is shared by several threads (limits flags, WebAssembly core
 * specification and its threads proposal): modules are stored as shared, and whoever runs one with a single
 * thread, where no SharedArrayBuffer may be had, writes the other flag.
 */

/** WebAssembly counts memory in pages; with addresses of 32 bits there are at most 4 GiB of them. */
export const PAGE_BYTES = 65_536;
export const MOST_PAGES = 65_536;
/** The bytes that a memory may have: a mebibyte less, since the address behind the last must not become 0. */
export const MEMORY_LIMIT = MOST_PAGES * PAGE_BYTES - 2 ** 20;

/** Bit 0: the memory has a maximum; bit 1: it is shared. */
const limitsFlags = { unshared: 1, shared: 3 } as const;

/** The same bytes with the import declared shared or not. */
export function withSharedMemory(
  wasm: Uint8Array,
  memoryFlagOffset: number,
  shared: boolean,
): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(wasm);
  copy[memoryFlagOffset] = shared ? limitsFlags.shared : limitsFlags.unshared;
  return copy;
}
