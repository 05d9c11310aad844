/** The optimizer's numbers of a step as generated code reads them: by name, from the tensor hyper[H]. */
import { hyper } from "../../../runtime/contract/control.ts";

type HyperName = keyof typeof hyper;

const constantOf = (name: HyperName): string => `HYPER_${name.toUpperCase()}`;

/** `tensor`: address of hyper. */
export const loadHyper = (tensor: string, name: HyperName): string =>
  `load<f32>(${tensor}, ${constantOf(name)})`;

/** Byte offsets in the tensor, declared in every module. */
export const hyperOffsets = (Object.keys(hyper) as HyperName[])
  .map((name) => `const ${constantOf(name)}: usize = ${4 * hyper[name]};`)
  .join("\n");
