/**
 * Golden graphs of one model of each family, as they are after all passes: rope with a gated linear unit, a
 * mixture of experts, weights in fewer bits, a cache that is a ring, products in pieces.
 */
import { expect, test } from "vitest";
import { planModule } from "../../compiler/compile.ts";
import type { CompileOptions } from "../../compiler/compile-options.ts";
import { golden } from "../support/golden.ts";
import { inProject } from "../support/paths.ts";
import { smallModels, type SmallModel } from "../support/small-graphs.ts";

interface Case {
  readonly model: SmallModel;
  readonly module: "train" | "infer";
  readonly entry: "train" | "prefill" | "decode";
  readonly options?: CompileOptions;
}

const cases: Readonly<Record<string, Case>> = {
  "rope-swiglu-train": { model: "llama", module: "train", entry: "train" },
  "rope-swiglu-decode": { model: "llama", module: "infer", entry: "decode" },
  "experts-train": { model: "mixture", module: "train", entry: "train" },
  "experts-decode": { model: "mixture", module: "infer", entry: "decode" },
  "quantised-prefill": { model: "llama", module: "infer", entry: "prefill", options: { weights: "q4_0" } },
  "quantised-decode": {
    model: "llama",
    module: "infer",
    entry: "decode",
    options: { weights: "q4_0", cache: "q8_0" },
  },
  "ring-prefill": { model: "banded", module: "infer", entry: "prefill" },
  "ring-decode": { model: "banded", module: "infer", entry: "decode" },
  "split-decode": { model: "gpt", module: "infer", entry: "decode", options: { splitBytes: 1 } },
};

test.each(Object.entries(cases))("%s", (name, { model, module, entry, options = {} }) => {
  const stages: string[] = [];
  planModule(smallModels[model], module, {
    ...options,
    targets: ["wide"],
    verify: true,
    dump(file, text) {
      if (/^\d\d-/.test(file.slice(`${module}/${entry}/`.length)) && file.startsWith(`${module}/${entry}/`))
        stages.push(text);
    },
  });
  const last = stages.findLast((text) => text !== "(unchanged)\n");
  expect(last).toBeDefined();
  golden(inProject(`test/compiler/golden/${name}.txt`), last!);
});
