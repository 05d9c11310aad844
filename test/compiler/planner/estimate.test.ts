/** What a model costs by its size: against published runs, and with the causes of what varies. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { check } from "../../../compiler/index.ts";
import { costsOf, type ModelCosts } from "../../../compiler/planner/costs.ts";
import { estimate, heldBy, RUN_UTILISATION, type Estimate } from "../../../compiler/planner/estimate.ts";
import { publishedRuns, utilisationOfHours } from "../../../compiler/planner/published-runs.ts";
import { scaleModel } from "../../../compiler/planner/scale-model.ts";
import { acceleratorNamed, h100Prices } from "../../../compiler/planner/tables/hardware.ts";
import { inProject } from "../../support/paths.ts";

const models = ["gpt2", "gpt3", "gpt4-rumour", "llama3"].flatMap(
  (file) => check(readFileSync(inProject(`specs/${file}.sinter`), "utf8")).models,
);
const costs = (name: string): ModelCosts => costsOf(models.find((model) => model.name === name)!);
const card = acceleratorNamed("h100")!;
const of = (name: string): Estimate => estimate(costs(name), { card, isPublished: true });

test("whole runs are used as published hours on these devices say", () => {
  const shares = publishedRuns
    .filter((run) => run.card === "h100" || run.card === "a100")
    .flatMap((run) =>
      run.said
        .filter(({ what }) => what === "hours")
        .map(({ value }) => utilisationOfHours(costs(run.model), run, value)),
    );
  expect(Math.min(...shares)).toBeCloseTo(RUN_UTILISATION[0], 2);
  expect(Math.max(...shares)).toBeCloseTo(RUN_UTILISATION[1], 2);
});

test("published hours are taken as they are: what varies is the price of an hour", () => {
  const made = of("llama3.1-405b");
  expect(made.hours).toEqual([30.84e6, 30.84e6]);
  expect(made.flops / 3.8e25).toBeCloseTo(1, 2);
  expect(made.dollars!.map((n) => Math.round(n / 1e6))).toEqual([65, 379]);
  expect(made.causes.utilisation).toBe(1);
  expect(made.causes.price).toBeCloseTo(12.29 / 2.11, 9);
  expect(made.prices!.every((price) => h100Prices.includes(price))).toBe(true);
});

test("hours on another device, and of other sizes, follow from the operations", () => {
  const made = of("gpt3-175b");
  expect(made.tokensAre).toBe("published");
  expect(made.hoursAre).toBe("by utilisation");
  expect(made.hours[1] / made.hours[0]).toBeCloseTo(made.causes.utilisation, 9);
  const larger = costsOf(
    scaleModel(
      models.find(({ name }) => name === "llama3-8b")!,
      { layers: 64 },
    ),
  );
  const changed = estimate(larger, { card, isPublished: false });
  expect(changed.tokens).toBe(20 * changed.activeParameters);
  expect(changed.hoursAre).toBe("by utilisation");
  expect(changed.parameters).toBe(larger.parameters);
});

test("bytes are those of the parameters, and a given price is one price", () => {
  const { parameters, bytes } = of("gpt2-xl");
  expect(bytes).toMatchObject({ states: 16 * parameters, bf16: 2 * parameters, q4: 0.5625 * parameters });
  expect(bytes.text).toBe(48 * 2 * 1600 * 2 * 1024);
  const priced = estimate(costs("gpt2-xl"), { card, isPublished: true, price: 2, tokens: 32e9 });
  expect(priced.dollars).toEqual(priced.hours.map((hours) => 2 * hours));
  const unpriced = estimate(costs("gpt2-xl"), { card: acceleratorNamed("v100")!, isPublished: true });
  expect(unpriced.dollars).toBeUndefined();
});

test("states are those of the optimizer that the spec trains with", () => {
  const model = models.find(({ name }) => name === "gpt2")!;
  const small = { ...model, train: { ...model.train, optimizer: "adamw8" as const } };
  const made = estimate(costsOf(small), { card, isPublished: false });
  expect(made.bytes.states).toBe(10.03125 * made.parameters);
  // adapters of rank 8 on qkv, the map behind attention, up and down
  const adapters = 12 * 8 * (768 + 3 * 768 + 768 + 768 + 2 * (768 + 4 * 768));
  expect(made.bytes.adapted).toBe(2 * made.parameters + 10.03125 * adapters);
});

test("405 B in bf16 takes twelve to fourteen H100, 8 B one", () => {
  const on = (name: string, device: string) => heldBy(of(name)).find((held) => held.card.name === device)!;
  const [q4, bf16, training] = on("llama3.1-405b", "h100").holds;
  expect([q4!.fits, bf16!.fits, training!.fits]).toEqual(Array(3).fill("does not fit"));
  expect(bf16!.devices).toBeGreaterThanOrEqual(12);
  expect(training!.devices).toBe(Math.ceil((16 * 405_853_388_800) / (0.8 * 80e9)));
  expect(on("llama3-8b", "h100").holds.map(({ fits }) => fits)).toEqual(["fits", "fits", "does not fit"]);
});
