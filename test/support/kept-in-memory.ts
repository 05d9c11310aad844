/** Bytes that are kept as long as a test lasts. */
import type { KeptBytes } from "../../runtime/contract/kept-bytes.ts";

export function keptInMemory(): KeptBytes & { readonly all: Map<string, Uint8Array<ArrayBuffer>> } {
  const all = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    all,
    read: async (name) => all.get(name),
    write: async (name, bytes) => void all.set(name, bytes),
  };
}
