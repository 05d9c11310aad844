/** The kernels panel: the module's text in pieces, each with the lines of the spec that it is of. */
import { expect, test } from "vitest";
import { kernelQuestions } from "../../../../app/playground/check/questions/kernels.ts";
import { groupsOf } from "../../../../app/playground/panels/kernels/groups.ts";
import { tokensOfCode } from "../../../../app/playground/parts/code-colours.ts";
import { partAt } from "../../../../app/playground/parts/places.ts";
import { planModule } from "../../../../compiler/compile.ts";
import { emitModule } from "../../../../compiler/8-emit/module.ts";
import { analyse } from "../../../../compiler/language-service/analyse.ts";
import { shippedSpec } from "../../../support/paths.ts";

const text = shippedSpec("tiny");
const { name, model } = analyse(text).models[0]!;
const kernels = kernelQuestions.kernels({ text, model: name, module: "train", target: "simd" })!;

test("the pieces are the module's text", () => {
  const plan = planModule(model, "train", { targets: ["simd"] });
  expect(kernels.pieces.map((piece) => piece.text).join("\n")).toBe(
    emitModule("simd", plan.programs.get("simd")!, plan.placement),
  );
});

test("every kernel is called, and those of a line compute something of its part", () => {
  const all = kernels.pieces.filter(({ kind }) => kind === "kernel");
  expect(all.filter(({ calls }) => calls.length === 0)).toEqual([]);
  const at = text.indexOf("attention(") + 3;
  const here = kernels.parts.indexOf(partAt(kernels.parts, at)!);
  const ofLine = all.filter(({ of }) => of.includes(here)).map((piece) => piece.name.split("_")[0]);
  expect(new Set(ofLine)).toEqual(new Set(["attention", "matmul", "bias"]));
});

test("each piece stands in the list, and a search finds names and code", () => {
  const listed = groupsOf(kernels, "").flatMap(({ pieces }) => pieces);
  expect(new Set(listed)).toEqual(new Set(kernels.pieces));
  const found = groupsOf(kernels, "MATMUL worker").flatMap(({ pieces }) => pieces);
  expect(found.length).toBeGreaterThan(0);
  for (const piece of found) expect(`${piece.name} ${piece.text}`.toLowerCase()).toMatch(/matmul/);
  expect(groupsOf(kernels, "no such word")).toEqual([]);
});

test("coloured code is the code", () => {
  for (const piece of kernels.pieces)
    expect(
      tokensOfCode(piece.text)
        .map((token) => token.text)
        .join(""),
    ).toBe(piece.text);
  const kinds = tokensOfCode("const x: usize = load<f32>(0x10); // one\n").map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind !== "space" && kind !== "operator")).toEqual([
    "keyword",
    "word",
    "part",
    "word",
    "part",
    "number",
    "comment",
  ]);
});
