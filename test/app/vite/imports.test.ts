/** What an import of a spec asks, and what its type says. */
import { expect, test } from "vitest";
import { check } from "../../../compiler/index.ts";
import { describeModel } from "../../../compiler/compile.ts";
import { bundleModule, dataUrl, servedUrl } from "../../../app/vite/bundle-module.ts";
import { asOne, findingOf } from "../../../app/vite/finding.ts";
import { compileSpec } from "../../../app/vite/compile-spec.ts";
import { specImport } from "../../../app/vite/spec-import.ts";
import { declarationPath, declarationText, queryText } from "../../../app/cli/options/spec-types.ts";
import type { createModel, LinkedBundle, RunningModel, Tensor } from "../../../runtime/index.ts";
import { shippedSpec } from "../../support/paths.ts";

test("an id is a file, and a query that Vite has added nothing to", () => {
  expect(specImport("/src/a.sinter")).toEqual({ file: "/src/a.sinter", query: "", train: false });
  expect(specImport("/src/a.sinter?model=gpt2-xl&train&t=1761")).toEqual({
    file: "/src/a.sinter",
    query: "model=gpt2-xl&train",
    model: "gpt2-xl",
    train: true,
  });
  for (const id of [
    "/src/a.ts",
    "/src/a.sinter?raw",
    "/a.sinter?url",
    "/a.sinter?model=",
    "/a.sinter?stage=x",
    "\0a.sinter",
  ])
    expect(specImport(id), id).toBeUndefined();
  for (const asked of [
    { train: true },
    { model: "b", train: false },
    { model: "b", train: true },
    { train: false, stage: "rl" },
  ] as const)
    expect(specImport(`/a.sinter?${queryText(asked)}`)).toMatchObject(asked);
});

test("a stage of which the spec has no block is said, before anything is compiled", async () => {
  const asked = { file: "/src/tiny.sinter", query: "stage=rl", train: false, stage: "rl" } as const;
  const text = shippedSpec("tiny");
  const kept = { weights: undefined, cache: undefined, entries: undefined };
  const settings = { targets: ["simd"], ...kept } as const;
  const compiled = await compileSpec({ ...asked, ...settings, text });
  expect(compiled).toMatchObject({ kind: "wrong", errors: [{ message: "tiny has no block `rl`" }] });
});

test("a declaration stands beside its spec", () => {
  expect(declarationPath("src/a.b.sinter", "")).toBe("src/a.b.d.sinter.ts");
  expect(declarationPath("src/a.sinter", "train")).toBe("src/a.sinter-train.d.ts");
  expect(declarationPath("src/a.sinter", "model=b&train")).toBe("src/a.sinter-b-train.d.ts");
  expect(declarationPath("src/a.sinter", "model=b&stage=rl")).toBe("src/a.sinter-b-rl.d.ts");
});

test("types are sorted and literal; a query makes them a pattern's", () => {
  const manifest = describeModel(check(shippedSpec("tiny")).models[0]!, { modules: ["infer"] });
  const text = declarationText(manifest, "/src/tiny.sinter", "");
  expect(text).toContain("\n    readonly vocab: 32;\n");
  const names = [...text.matchAll(/\| "(.*)"/g)].map(([, name]) => name!);
  expect(names.slice(0, 4)).toEqual(["decode", "evaluate", "generate", "prefill"]);
  expect(names.slice(4)).toEqual(manifest.modules.infer!.tensors.map(({ name }) => name).sort());
  expect(text).not.toContain("\r");
  const pattern = declarationText(manifest, "/src/tiny.sinter", "model=tiny");
  expect(pattern).toContain('declare module "*/tiny.sinter?model=tiny" {\n  import type');
  expect(pattern.match(/^\S.*$/gm)).toHaveLength(3); // what is said of it, and the module's two ends
});

test("a module names its kernels by expressions", async () => {
  const manifest = describeModel(check(shippedSpec("tiny")).models[0]!);
  const wasm = Uint8Array.of(0, 97, 115, 109);
  const urls = new Map([
    ["served.wasm", servedUrl('"/@sinter/0/served.wasm"').replaceAll("import.meta.url", '"http://a/b/c.js"')],
    ["data.wasm", dataUrl(wasm)],
  ]);
  const source = Buffer.from(bundleModule(manifest, urls)).toString("base64");
  const { default: bundle } = (await import(`data:text/javascript;base64,${source}`)) as {
    readonly default: LinkedBundle;
  };
  expect(bundle.manifest).toEqual(manifest);
  expect(bundle.urls["served.wasm"]).toBe("http://a/@sinter/0/served.wasm");
  const read = await fetch(bundle.urls["data.wasm"]!);
  expect(new Uint8Array(await read.arrayBuffer())).toEqual(wasm);
});

test("errors have a place and the lines around it; several are one that shows all", () => {
  const text = "model a {\n  width 7\n  heads 2\n  colour 3\n}\n";
  const [first, second] = check(text).diagnostics.map((d) => findingOf(d, { name: "/a.sinter", text }));
  expect(first!.loc.file).toBe("/a.sinter");
  expect(first!.frame).toMatch(/^\d \| .*\n +\| +\^/);
  const one = asOne([first!, second!]);
  expect(one).toMatchObject({ message: first!.message, loc: first!.loc });
  expect(one.frame).toContain(second!.message);
});

type Small = LinkedBundle<{
  readonly name: "small";
  readonly parameters: 7;
  readonly tokenizer: "bytes";
  readonly sizes: LinkedBundle["manifest"]["model"]["sizes"] & { readonly vocab: 256 };
  readonly modules: {
    readonly infer: { readonly entries: "prefill" | "decode"; readonly tensors: "loss" | "logits" };
  };
}>;

/** Never called: whether it compiles is what is tested. */
export async function whatTypesKnow(small: Small, any: LinkedBundle, create: typeof createModel) {
  const options = {} as Parameters<typeof createModel>[2];
  const model = await create(small, "infer", options);
  const logits: Tensor = model.tensors.get("logits");
  const vocab: 256 = small.manifest.model.sizes.vocab;
  model.entry("decode");
  // @ts-expect-error: there is no such tensor
  model.tensors.get("logitz");
  // @ts-expect-error: the module has no such entry
  model.entry("train");
  // @ts-expect-error: this module does not learn
  await model.trainStep([], { lr: 1, step: 1 });
  // @ts-expect-error: the module that learns was not compiled
  await create(small, "train", options);
  // @ts-expect-error: the vocabulary has another size
  const wrong: 257 = small.manifest.model.sizes.vocab;
  const plain: RunningModel = model; // wherever a model is asked for, this is one
  const maybe: Tensor | undefined = (await create(any, "train", options)).tensors.get("logitz");
  return { logits, vocab, wrong, plain, maybe };
}
