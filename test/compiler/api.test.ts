/** The compiler as programs use it: `import { check, compile } from "sinter"`. */
import { expect, test } from "vitest";
import { check, compile, SpecError } from "../../compiler/index.ts";
import { nodeHost } from "../../runtime/node/index.ts";
import { createModel } from "../../runtime/index.ts";
import { shippedSpec } from "../support/paths.ts";

const tiny = shippedSpec("tiny");

test("a spec is checked: its models, their parameters, what is wrong", () => {
  const { models, summaries, diagnostics } = check(tiny);
  expect(models.map(({ name }) => name)).toEqual(["tiny"]);
  expect(summaries[0]!.parameters).toBeGreaterThan(1000);
  expect(diagnostics).toEqual([]);
  const wrong = check(tiny, { set: { heads: "7" } });
  expect(wrong.models).toEqual([]);
  expect(wrong.diagnostics.map(({ code }) => code)).toEqual(["E0203"]);
});

test("what compile gives is what createModel takes; text and checked model give the same bytes", async () => {
  const options = { modules: ["infer"], targets: ["simd"] } as const;
  const bundle = await compile(tiny, options);
  expect((await compile(check(tiny).models[0]!, options)).files).toEqual(bundle.files);
  const model = await createModel(bundle, "infer", { host: nodeHost, workers: 1, seed: 1 });
  const logits = await model.feed([3, 1, 4], 0);
  expect(logits.length).toBe(bundle.manifest.model.sizes.vocab);
  expect(logits.every(Number.isFinite)).toBe(true);
  await model.close();
});

test("a spec with errors is an error that shows them", async () => {
  const failed = await compile(tiny, { set: { heads: "7" }, name: "tiny.sinter" }).catch((e: unknown) => e);
  expect(failed).toBeInstanceOf(SpecError);
  const { message, diagnostics } = failed as SpecError;
  expect(message).toMatch(/^error\[E0203\]: .*\n {2}--> --set:1:/);
  expect(diagnostics).toHaveLength(1);
  await expect(compile("", { name: "empty.sinter" })).rejects.toThrow(/empty\.sinter/);
});

test("of several models the named one is compiled, or the first; settings can be changed", async () => {
  const two = `${tiny}\nmodel other like tiny { layers 1 }\n`;
  const options = { modules: ["infer"], targets: ["simd"] } as const;
  expect((await compile(two, options)).manifest.model.name).toBe("tiny");
  const other = await compile(two, { ...options, model: "other", set: { context: "16" } });
  expect(other.manifest.model).toMatchObject({ name: "other", sizes: { layers: 1, context: 16 } });
});
