/** What the structure panel asks: drawings and numbers that agree with the compiler's own. */
import { expect, test } from "vitest";
import { structureQuestions, type Job } from "../../../../app/playground/check/questions/structure.ts";
import { parameterCount } from "../../../../compiler/2-check/parameters.ts";
import { exactBytes } from "../../../../compiler/language-service/exact-bytes.ts";
import { analyse } from "../../../../compiler/language-service/analyse.ts";
import { svgText } from "../../../../compiler/drawing/svg.ts";
import { shippedSpec } from "../../../support/paths.ts";

const text = shippedSpec("quickstart");
const ask = (job: Job, open: Readonly<Record<string, boolean>> = {}) =>
  structureQuestions.structure({ text, model: "quickstart", job, open });

test("numbers are those of the model, and kernels know their place in the text", () => {
  const { model } = analyse(text).models[0]!;
  const structure = ask("evaluate")!;
  expect(structure.parameters.reduce((sum, row) => sum + row.total, 0)).toBe(parameterCount(model));
  expect(structure.bytes).toBe(exactBytes(model, navigator.hardwareConcurrency).train.bytes);
  expect(structure.regions.reduce((sum, region) => sum + region.bytes, 0)).toBe(structure.bytes);
  const attention = structure.kernels.find(({ op }) => op === "attention")!;
  expect(attention).toMatchObject({ room: "layer", times: 4 });
  const place = structure.parts.find(
    ({ section, part }) => section === attention.part!.section && part === attention.part!.part,
  )!;
  expect(text.slice(place.span.start, place.span.end)).toBe("attention(layernorm(x))");
});

test("rooms open and close as they are asked to; a training step begins with its layers open", () => {
  const count = (drawing: string): number => drawing.split('data-kernel="').length - 1;
  const { rooms, kernels } = ask("train")!;
  const layer = kernels.filter(({ room }) => room === "layer").length;
  expect(count(svgText(rooms.svg))).toBe(layer);
  expect(count(svgText(ask("train", { layer: false, head: true })!.rooms.svg))).toBe(
    kernels.filter(({ room }) => room === "head").length,
  );
});

test("no answer about a model that the text does not have", () => {
  expect(structureQuestions.structure({ text, model: "other", job: "train", open: {} })).toBeUndefined();
});
