/**
 * AssemblyScript text → wasm bytes, in process. The memory is imported; `shared` is a flag byte of its import, whose offset is
 * returned: the loader flips it, so that one binary serves both one worker (no SharedArrayBuffer) and several.
 */
import asc from "assemblyscript/asc";
import { control } from "../control.ts";
import type { Target } from "../op.ts";

export interface Assembled {
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** Offset of the byte with the memory's limits flags: 1 = not shared, 3 = shared. Stored as 3. */
  readonly memoryFlagOffset: number;
  /** The same module as text, when asked for. */
  readonly wat?: string;
}

export async function assemble(source: string, target: Target, pages: number, withText = false): Promise<Assembled> {
  const files = new Map<string, string | Uint8Array>();
  const features = ["simd", "threads", ...(target === "simd" ? [] : ["relaxed-simd"])].join(",");
  const args = ["kernels.ts", "-O3", "--runtime", "stub", "--noAssert", "--importMemory", "--sharedMemory", "--enable", features,
    "--initialMemory", `${pages}`, "--maximumMemory", `${pages}`, "--memoryBase", `${control.constants}`, "-o", "kernels.wasm", ...(withText ? ["-t", "kernels.wat"] : [])];
  const { error, stderr } = await asc.main(args, {
    readFile: (name) => (name === "kernels.ts" ? source : null),
    writeFile: (name, contents) => void files.set(name, contents),
    listFiles: () => [],
  });
  if (error) throw new Error(`generated AssemblyScript does not compile: ${error.message}\n${String(stderr)}`);
  const wasm = new Uint8Array(files.get("kernels.wasm") as Uint8Array);
  return { wasm, memoryFlagOffset: memoryFlagOffset(wasm), ...(withText && { wat: files.get("kernels.wat") as string }) };
}

/** Finds the limits flags of the first imported memory (WebAssembly core specification, section 5.5.5: import section, id 2). */
export function memoryFlagOffset(wasm: Uint8Array): number {
  let at = 8; // past magic and version
  const leb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  };
  const skipName = (): void => {
    const length = leb(); // first: it moves `at` itself
    at += length;
  };
  while (at < wasm.length) {
    const id = wasm[at++]!, size = leb(), end = at + size;
    if (id === 2) {
      for (let left = leb(); left > 0; left--) {
        skipName(); // module
        skipName(); // field
        const kind = wasm[at++]!;
        if (kind === 2) return at;
        if (kind === 0) leb(); // function: type index
        else if (kind === 3) at += 2; // global: type, mutability
        else throw new Error(`unexpected import kind ${kind}`);
      }
    }
    at = end;
  }
  throw new Error("the module imports no memory");
}

/** The same bytes with the import declared shared or not. */
export function withSharedMemory(wasm: Uint8Array<ArrayBuffer>, flagOffset: number, shared: boolean): Uint8Array<ArrayBuffer> {
  const copy = wasm.slice();
  copy[flagOffset] = shared ? 3 : 1;
  return copy;
}
