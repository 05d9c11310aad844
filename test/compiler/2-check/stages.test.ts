/** Blocks of stages: what they say, what they take over, and what can be seen to be wrong beforehand. */
import { describe, expect, test } from "vitest";
import { format } from "../../../compiler/1-parse/format.ts";
import { checkSource, type CheckOptions } from "../../../compiler/2-check/check.ts";
import { blockFields } from "../../../compiler/2-check/stages.ts";
import { isWithin } from "../../../runtime/contract/limits.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { whole } from "../../support/sources.ts";

function model(fragment: string, options: CheckOptions = {}): Model {
  const { models, diagnostics } = checkSource(whole(fragment), options);
  expect(diagnostics).toEqual([]);
  return models.at(-1)!;
}
/** "code text" of everything that is wrong, with the line and column of each. */
const wrong = (fragment: string, options: CheckOptions = {}): readonly string[] =>
  checkSource(whole(fragment), options).diagnostics.map(({ code, text }) => `${code} ${text}`);

describe("sft", () => {
  test("a model without a block has none, unless it is asked for", () => {
    expect(model("").sft).toBeUndefined();
    expect(model("", { stages: ["sft"] }).sft).toMatchObject({ loss: "answers", packing: "best_fit" });
  });

  test("defaults are numbers of the model's own training", () => {
    const { sft } = model("train { batch 4  lr 6e-3  seed 9  clip 2 }\nsft { steps 400 }");
    expect(sft).toEqual({
      train: {
        batch: 4,
        context: 16,
        steps: 400,
        accumulate: 1,
        lr: 2e-3,
        minLr: 0,
        warmup: 20,
        schedule: "linear",
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        decay: 0,
        clip: 2,
        seed: 9,
        heldOut: 0.1,
        evalEvery: 50,
        sampleEvery: 0,
        saveEvery: 100,
      },
      patience: 0,
      chatFormat: "auto",
      loss: "answers",
      packing: "best_fit",
    });
  });

  test("rows of documents stay rows of documents", () => {
    expect(model("vocab 257  train { rows documents }  sft { steps 1 }").sft!.train.rows).toBe("documents");
  });

  test("the optimizer is that of training, where the block names no other", () => {
    const inTraining = "train { optimizer adamw8 }";
    expect(model(`${inTraining}  sft { steps 1 }`).sft!.train.optimizer).toBe("adamw8");
    expect(model(`${inTraining}  sft { optimizer adamw }`).sft!.train.optimizer).toBeUndefined();
    expect(model("sft { optimizer adamw8 }").sft!.train.optimizer).toBe("adamw8");
  });

  test("lora stands inside, with one target or several", () => {
    expect(model("sft { lora { rank 4 } }").sft!.lora).toEqual({ rank: 4, alpha: 8, on: ["all"] });
    expect(model("sft { lora { on attention, mlp, attention } steps 5 }").sft).toMatchObject({
      train: { steps: 5 },
      lora: { rank: 8, alpha: 16, on: ["attention", "mlp"] },
    });
  });

  test("--set changes a block, and makes one", () => {
    const set = { "sft.lr": "1e-4", "sft.lora.rank": "2", "sft.loss": "all" };
    expect(model("sft { steps 7 }", { set }).sft).toMatchObject({
      train: { lr: 1e-4, steps: 7 },
      lora: { rank: 2, alpha: 4 },
      loss: "all",
    });
    expect(model("", { set: { "sft.steps": "3" } }).sft!.train.steps).toBe(3);
  });

  test("a model that is like another has its blocks, setting by setting", () => {
    const text = whole("sft { steps 7  lr 1e-4  lora { rank 2 } }") + "model n like m { sft { steps 8 } }";
    const { models } = checkSource(text);
    expect(models.at(-1)!.sft).toMatchObject({ train: { steps: 8, lr: 1e-4 }, lora: { rank: 2 } });
  });

  test("words of blocks are names elsewhere", () => {
    const { sizes } = model("let reward = 3\nlet sft = reward + 1\nlet lora = 2 * sft\nwidth lora");
    expect(sizes.width).toBe(8);
  });
});

describe("prefer, reward, rl", () => {
  test("the objective stands in the settings, with the block's numbers or its own", () => {
    const { prefer, reward } = model(
      "prefer { beta 0.5  label_smoothing 0.1  clip 3 }\nreward { center 0.01 }",
    );
    expect(prefer!.train.clip).toBe(3);
    expect(reward!.train.clip).toBe(1);
    expect(prefer!.objective).toMatchObject({ name: "dpo", unit: "pair" });
    expect(prefer!.objective.settings).toEqual({ beta: 0.5, label_smoothing: 0.1, nll: 0 });
    expect(reward!.objective.settings).toEqual({ center: 0.01 });
    expect(model("prefer { objective simpo }").prefer!.objective.settings).toEqual({
      beta: 2,
      gamma: 0.5,
      nll: 0,
    });
  });

  test("a model's own objective, also one that it has from its parent", () => {
    const mine = "objective mine = -logsigmoid(beta * (chosen.ratio - rejected.ratio))";
    const text = whole(mine) + "model n like m { prefer { objective mine  beta 0.3 } }";
    const { models, diagnostics } = checkSource(text);
    expect(diagnostics).toEqual([]);
    expect(models.at(-1)!.prefer!.objective).toMatchObject({ name: "mine", settings: { beta: 0.3 } });
  });

  test.each([
    ["objective dpo  average true", "sigmoid_norm"],
    ["objective ipo  average false", "ipo_sum"],
    ["objective ipo  average true", "ipo"],
  ])("average chooses between two forms: %s", (said, name) => {
    expect(model(`prefer { ${said} }`).prefer!.objective.name).toBe(name);
  });

  test("rl: what the objective chooses, and what the block says", () => {
    const { rl } = model("rl { objective dr_grpo  clip 0.1  grad_clip 3  kl 0.05 }");
    expect(rl).toMatchObject({
      train: { batch: 8, accumulate: 8, clip: 3 },
      objective: { name: "dr_grpo", settings: { clip: 0.1, clip_high: 0.2 } },
      advantage: "mean",
      normalise: "longest",
      kl: 0.05,
      klIn: "reward",
      estimator: "k1",
      gamma: 1,
    });
    expect(rl!.objective.equation).not.toContain("kl");
    expect(model("rl { objective dapo }").rl!.objective.settings["clip_high"]).toBe(0.28);
    const inLoss = model("rl { kl 0.05  kl_in loss  entropy_weight 0.01 }").rl!;
    expect(inLoss.estimator).toBe("k2");
    expect(inLoss.objective.settings).toMatchObject({ kl: 0.05, entropy_weight: 0.01 });
    expect(inLoss.objective.equation).toContain("kl * (0.5 * square(logp - ref))");
  });
});

describe("what is wrong", () => {
  test.each<[string, readonly RegExp[]]>([
    ["sft { loss tokens }", [/^E0208 loss cannot be `tokens`/]],
    ["sft { learning_rate 1 }", [/^E0202 `sft` has no setting called `learning_rate`/]],
    ["sft { rank 8 }", [/^E0202 `sft` has no setting called `rank`/]],
    ["sft { lora { r 8 } }", [/^E0202 `sft { lora` has no setting called `r`/]],
    ["sft { lora { on attention, wings } }", [/^E0208 on cannot be `wings`/]],
    ["sft { lora { rank 0 } }", [/^E0204 rank must be at least 1/]],
    ["sft { lora { } lora { } }", [/^E0206 `lora` is given twice/]],
    ["sft { steps 1 } sft { steps 2 }", [/^E0206 `sft` is given twice/]],
    ["sft { context 32 }", [/^E0216 sft context 32 is longer than the model's context 16/]],
    ["sft { lr 1e-4 min_lr 1e-3 }", [/^W0219/]],
    ["sft { chat_format plain }", [/^E0601 .*no token ends an answer/]],
    ["sft { steps 1", [/^E0103/]],
    ["sft = { steps 1 }", [/^E0102/]],
  ])("%s", (fragment, said) => {
    const found = wrong(fragment);
    for (const [i, one] of said.entries()) expect(found[i]).toMatch(one);
    expect(found.length).toBeGreaterThanOrEqual(said.length);
  });

  test("the nearest name is told, other tools' names too", () => {
    const { diagnostics } = checkSource(whole("sft { stpes 1  lora { lora_alpha 16 } cutoff_len 8 }"));
    expect(diagnostics.map(({ help }) => help)).toEqual([
      "did you mean `steps`?",
      "did you mean `alpha`?",
      "did you mean `context`?",
    ]);
  });
});

test("each default lies within its range, whatever the model trains like", () => {
  const known: Record<string, number> = { steps: 100, rank: 8, group: 8, prompts: 4, batch: 8, context: 16 };
  const { train } = model("");
  for (const [name, value] of Object.entries(train))
    if (typeof value === "number") known[`train_${name.replace("minLr", "min_lr")}`] = value;
  for (const fields of Object.values(blockFields))
    for (const [name, field] of Object.entries(fields))
      if (field.kind === "whole" || field.kind === "real")
        expect(isWithin(field, field.initial!(known)), name).toBe(true);
});

test("blocks are laid out as all others", () => {
  const text =
    "model m{width 8\nsft{steps 5 lr 1e-4 lora{rank 4 on attention,mlp}}\nsft{\nsteps 5\nlora{rank 4}}}";
  expect(format(text).text).toBe(`model m {
  width 8
  sft { steps 5  lr 1e-4  lora { rank 4  on attention, mlp } }
  sft {
    steps 5
    lora { rank 4 }
  }
}
`);
});
