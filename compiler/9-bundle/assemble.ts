/**
 * Compiles AssemblyScript text to wasm bytes, in this process. The memory is imported. A byte of the import
 * says whether it is shared; the byte's offset is returned, since the loader changes it: one binary thus
 * serves a single worker, which needs no SharedArrayBuffer, as well as several.
 */
import { control } from "../../runtime/contract/control.ts";
import type { Target } from "../../runtime/contract/targets.ts";

export interface Assembled {
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** Offset of the byte with the memory's limits flags (contract/memory-import.ts). Stored as shared. */
  readonly memoryFlagOffset: number;
  /** The same module as text, when asked for. */
  readonly wat?: string;
}

/**
 * asc translates without optimising. These passes of binaryen do what the kernels need, and V8 does the rest:
 * they fold constants and addresses, merge locals and drop dead code. Eliminating common subexpressions lets
 * both halves of a `wide` pair use one load of each constant and one address; V8 joins no pair of loads
 * around a load that may trap. asc's own -O3 takes ten times as long for the same speed
 * (bench/EXPERIMENTS.md).
 */
const PASSES = [
  "remove-unused-brs",
  "remove-unused-names",
  "merge-blocks", // @inline functions are labelled blocks: V8 joins no pairs across them
  "precompute",
  "optimize-instructions",
  "local-cse",
  "simplify-locals",
  "vacuum",
  "coalesce-locals",
  "reorder-locals",
  "vacuum",
  "remove-unused-brs",
  "duplicate-function-elimination",
  "remove-unused-module-elements",
];

export async function assemble(
  source: string,
  target: Target,
  pages: number,
  withText = false,
): Promise<Assembled> {
  // a second of start-up: not for those who only check or plan
  const { default: binaryen } = await import("binaryen");
  const translated = await translate(source, target, pages);
  const module = binaryen.readBinary(translated);
  try {
    const { All, RelaxedSIMD } = binaryen.Features;
    module.setFeatures(target === "simd" ? All & ~RelaxedSIMD : All);
    module.runPasses(PASSES);
    if (!module.validate()) throw new Error("the optimised module does not validate");
    const wasm = new Uint8Array(module.emitBinary());
    return { wasm, memoryFlagOffset: memoryFlagOffset(wasm), ...(withText && { wat: module.emitText() }) };
  } finally {
    module.dispose();
  }
}

async function translate(source: string, target: Target, pages: number): Promise<Uint8Array> {
  const { default: asc } = await import("assemblyscript/asc");
  let binary: Uint8Array | undefined;
  const features = ["simd", "threads", ...(target === "simd" ? [] : ["relaxed-simd"])].join(",");
  const args = [
    "kernels.ts",
    "-O0",
    "--runtime",
    "stub",
    "--noAssert",
    "--importMemory",
    "--sharedMemory",
    "--enable",
    features,
    "--initialMemory",
    `${pages}`,
    "--maximumMemory",
    `${pages}`,
    "--memoryBase",
    `${control.constants}`,
    "-o",
    "kernels.wasm",
  ];
  const { error, stderr } = await asc.main(args, {
    readFile: (name) => (name === "kernels.ts" ? source : null),
    writeFile: (name, contents) => void (name === "kernels.wasm" && (binary = contents as Uint8Array)),
    listFiles: () => [],
  });
  if (error || !binary)
    throw new Error(`generated AssemblyScript does not compile: ${error?.message}\n${String(stderr)}`);
  return binary;
}

/**
 * Finds the limits flags of the first imported memory (WebAssembly core specification, section 5.5.5: import
 * section, id 2).
 */
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
    const id = wasm[at++]!;
    const size = leb();
    const end = at + size;
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
