/**
 * Compiles AssemblyScript text to wasm bytes, in this process. The memory is imported, and may have any size
 * from `pages` on. A byte of the import says whether it is shared; the byte's offset is returned, since the
 * loader changes it: one binary thus serves a single worker, which needs no SharedArrayBuffer, as well as
 * several.
 */
import { control, CONTROL_BYTES } from "../../runtime/contract/control.ts";
import { MOST_PAGES } from "../../runtime/contract/memory-import.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { throughCache, type Recipe } from "./kernel-cache.ts";
import { memoryFlagOffset, staticData } from "./wasm-sections.ts";

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
  const recipe: Recipe = { source, target, arguments: argumentsFor(target, pages), passes: PASSES };
  const { wasm, wat } = withText
    ? await compileKernels(recipe, true)
    : { wasm: await throughCache(recipe, async () => (await compileKernels(recipe)).wasm) };
  return { wasm, memoryFlagOffset: memoryFlagOffset(wasm), ...(wat !== undefined && { wat }) };
}

interface CompiledKernels {
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly wat?: string;
}

/** Compiles, whatever is kept. */
export async function compileKernels(recipe: Recipe, withText = false): Promise<CompiledKernels> {
  const translated = await translate(recipe.source, recipe.arguments);
  // a second of start-up: not for those who only check or plan
  const { default: binaryen } = await import("binaryen");
  const module = binaryen.readBinary(translated);
  try {
    const { All, RelaxedSIMD } = binaryen.Features;
    module.setFeatures(recipe.target === "simd" ? All & ~RelaxedSIMD : All);
    module.runPasses([...recipe.passes]);
    if (!module.validate()) throw new Error("the optimised module does not validate");
    const wasm = new Uint8Array(module.emitBinary());
    checkStaticData(wasm);
    return { wasm, ...(withText && { wat: module.emitText() }) };
  } finally {
    module.dispose();
  }
}

/** How asc is called. */
function argumentsFor(target: Target, pages: number): string[] {
  const features = ["simd", "threads", ...(target === "simd" ? [] : ["relaxed-simd"])].join(",");
  return [
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
    `${MOST_PAGES}`,
    "--memoryBase",
    `${control.constants}`,
    "-o",
    "kernels.wasm",
  ];
}

async function translate(source: string, args: readonly string[]): Promise<Uint8Array> {
  const { default: asc } = await import("assemblyscript/asc");
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main([...args], {
    readFile: (name) => (name === "kernels.ts" ? source : null),
    writeFile: (name, contents) => void (name === "kernels.wasm" && (binary = contents as Uint8Array)),
    listFiles: () => [],
  });
  if (error || !binary)
    throw new Error(`generated AssemblyScript does not compile: ${error?.message}\n${String(stderr)}`);
  return binary;
}

/** Throws where constants would overlap what lies before or behind them. */
function checkStaticData(wasm: Uint8Array): void {
  for (const { from, to } of staticData(wasm))
    if (from < control.constants || to > CONTROL_BYTES)
      throw new Error(
        `constants take the bytes ${from} to ${to}, and have ${control.constants} to ${CONTROL_BYTES}`,
      );
}
