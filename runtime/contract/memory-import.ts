/**
 * A module imports its memory. One byte of the import says whether that memory is shared by several threads
 * (limits flags, WebAssembly core specification and its threads proposal): modules are stored as shared, and
 * whoever runs one with a single thread, where no SharedArrayBuffer may be had, writes the other flag.
 */

/** WebAssembly counts memory in pages; with addresses of 32 bits there are at most 4 GiB of them. */
export const PAGE_BYTES = 65_536;
export const MOST_PAGES = 65_536;

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
