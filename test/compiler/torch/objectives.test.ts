/**
 * Objectives of the exported program: losses and their slopes in float64 are those of the references of
 * Sinter's own operation.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { check } from "../../../compiler/index.ts";
import { objectiveFields } from "../../../compiler/2-check/objectives.ts";
import { planObjective } from "../../../compiler/ops/objective/objective-plan.ts";
import { referenceObjective } from "../../../compiler/ops/objective/objective-reference.ts";
import { objectivesPy, programObjectives } from "../../../compiler/torch/objectives-py.ts";
import type { Objective } from "../../../runtime/contract/objective.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { PYTHON, pythonHas } from "../../support/debian-python.ts";
import { base } from "../../support/sources.ts";

const mine = "objective mine = -logsigmoid(beta * (chosen.ratio - rejected.ratio)) + 0.1 * nll(chosen)";
const {
  models: [model],
} = check(base.replace("output", `${mine}\nprefer { objective ipo  beta 0.3 }\noutput`));

const SEQUENCES = 4;
const LENGTH = 6;
const ROWS = SEQUENCES * LENGTH;
const random = randomStream(1, "objectives");
const logps = (): Float64Array => Float64Array.from({ length: ROWS }, () => -3 * random.unit() - 0.01);
const data = {
  logp: logps(),
  ref: logps(),
  targets: Float64Array.from({ length: ROWS }, (_, i) => (i % LENGTH < 2 || i % 11 === 4 ? -1 : 1)),
};

/** Losses of all units, and slopes of their sum by each logp. */
function referenceOf({ unit, equation, settings }: Objective): {
  readonly loss: number;
  readonly slopes: Float64Array;
} {
  const names = Object.keys(settings);
  const plan = planObjective({ unit, equation, sums: [] }, Object.keys(objectiveFields));
  const t = {
    targets: data.targets,
    logprobs: data.logp,
    reference: data.ref,
    settings: Float64Array.from({ length: 64 }, (_, i) => settings[names[i]!] ?? 0),
    d_logprobs: new Float64Array(ROWS),
    sums: new Float64Array(3),
  };
  referenceObjective(t, plan, names, ROWS, SEQUENCES, false);
  return { loss: t.sums[1]!, slopes: t.d_logprobs };
}

test("all that needs no more than the model and a reference goes out, the model's own too", () => {
  const names = programObjectives(model!).map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["sft", "dft", "dpo", "ipo", "simpo", "orpo", "cpo", "mine"]));
  for (const other of ["kto", "reward", "ppo", "grpo"]) expect(names).not.toContain(other);
  const text = objectivesPy(model!);
  expect(text).toMatch(/"ipo": \("pair", objective_ipo, \{"beta":0.3.*\}, True\)/);
  expect(text).toContain('"sft": ("token", objective_sft, {}, False)');
});

const folder = mkdtempSync(join(tmpdir(), "sinter-objectives-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SCRIPT = `
import json, sys
import torch
sys.path.insert(0, sys.argv[1])
from objectives import OBJECTIVES, Answers
data = json.load(open(sys.argv[1] + "/data.json"))
of = lambda name: torch.tensor(data[name], dtype=torch.float64).view(${SEQUENCES}, ${LENGTH})
counted, found = of("targets") >= 0, {}
for name, (unit, equation, settings, _) in OBJECTIVES.items():
    logp, ref = of("logp").requires_grad_(), of("ref")
    if unit == "pair":
        loss = equation(*(Answers(logp[i::2], ref[i::2], counted[i::2]) for i in (0, 1)), settings).sum()
    else:
        own = Answers(logp, ref, counted)
        loss = equation(own, settings)
        loss = (own.sum(loss) if unit == "token" else loss).sum()
    loss.backward()
    found[name] = {"loss": float(loss.detach()), "slopes": logp.grad.flatten().tolist()}
print(json.dumps(found))
`;

describe.skipIf(!pythonHas("torch"))("with PyTorch (Debian's python3-torch)", () => {
  test("losses and slopes in float64 within 1e-9 of the references", () => {
    writeFileSync(join(folder, "objectives.py"), objectivesPy(model!));
    const numbers = Object.entries(data).map(([name, values]) => [name, [...values]]);
    writeFileSync(join(folder, "data.json"), JSON.stringify(Object.fromEntries(numbers)));
    const said = execFileSync(PYTHON, ["-c", SCRIPT, folder], { encoding: "utf8" });
    const found = JSON.parse(said) as Record<string, { loss: number; slopes: number[] }>;
    const all = programObjectives(model!);
    expect(Object.keys(found)).toEqual(all.map(({ name }) => name));
    for (const objective of all) {
      const { loss, slopes } = referenceOf(objective);
      const { name } = objective;
      expect(Math.abs(found[name]!.loss / loss - 1), name).toBeLessThan(1e-9);
      const most = Math.max(...slopes.map(Math.abs));
      for (const [i, slope] of slopes.entries())
        expect(Math.abs(found[name]!.slopes[i]! - slope), name).toBeLessThan(1e-9 * most);
    }
  });
});
