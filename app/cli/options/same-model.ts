/** Whether what was compiled from one model does for another. */
import { canonical } from "../../../runtime/base/schema.ts";
import { stageNames, type Model } from "../../../runtime/contract/model.ts";

/**
 * Whether two models are the same, except for settings that may change from one part of a run to the next,
 * and for the names of parts (runtime/store/renamed.ts).
 */
export function sameModel(a: Model, b: Model): boolean {
  const free = {
    steps: 0,
    warmup: 0,
    evalEvery: 0,
    sampleEvery: 0,
    saveEvery: 0,
    lr: 0,
    minLr: 0,
    schedule: "",
  };
  const ofStages = Object.fromEntries(stageNames.map((stage) => [stage, undefined]));
  const unnamed = (_: string, value: unknown): unknown =>
    isObject(value) && "part" in value ? { ...value, name: "" } : value;
  const fixed = (m: Model): string =>
    canonical(JSON.parse(JSON.stringify({ ...m, ...ofStages, train: { ...m.train, ...free } }, unnamed)));
  return fixed(a) === fixed(b);
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
