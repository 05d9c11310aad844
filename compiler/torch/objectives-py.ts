/**
 * objectives.py of an exported program: the objectives of fine-tuning and of preferences as PyTorch
 * functions, made from the equations that Sinter's own modules are compiled from; those that ask for no more
 * than the model and a reference say of answers.
 */
import type { Model } from "../../runtime/contract/model.ts";
import {
  units,
  type Equation,
  type FunctionName,
  type Objective,
  type Whose,
} from "../../runtime/contract/objective.ts";
import { equationFrom } from "../2-check/objective-equations.ts";
import { objectiveFields, objectiveOf } from "../2-check/objectives.ts";
import { partsOfEquation, settingsIn, tokensIn } from "../2-check/print-equation.ts";
import { preferObjectives } from "../2-check/stage-objectives.ts";

/** Of the table: what sft, dft and every objective of pairs or answers makes smaller. */
const named = ["sft", "dft", ...preferObjectives] as const;

/** Everything that a program of this model can make smaller, the model's own objectives among them. */
export function programObjectives(model: Model): Objective[] {
  const of = (name: (typeof named)[number]): Objective =>
    model.prefer?.objective.name === name ? model.prefer.objective : objectiveOf(name);
  const own = (model.objectives ?? []).filter(({ name }) => !named.some((other) => other === name));
  return [...named.map(of), ...own].filter((objective) => isPlain(equationOf(objective)));
}

const settingNames = Object.keys(objectiveFields);
const equationOf = ({ equation }: Objective): Equation => equationFrom(equation, settingNames).equation;

/** The model and its reference say these of an answer; other numbers come with Sinter's own trainers. */
function isPlain(e: Equation): boolean {
  if (e.kind === "token") return e.name === "logp" || e.name === "ref";
  if (e.kind === "answer") return e.name === "length";
  if (e.kind === "setting") return e.name !== "z";
  return partsOfEquation(e).every(isPlain);
}

/** What the language's functions are in Python, where they have another name there. */
const functionNames: Partial<Record<FunctionName, string>> = { min: "least", max: "most" };

const whose: Readonly<Record<Whose, string>> = { own: "own", chosen: "chosen", rejected: "rejected" };
const signs = { add: "+", subtract: "-", multiply: "*", divide: "/" } as const;

/** Parentheses stand wherever they might matter: these are equations that a program reads. */
function py(e: Equation): string {
  switch (e.kind) {
    case "number":
      return `${e.value}`;
    case "setting":
      return `s["${e.name}"]`;
    case "token":
    case "answer":
      return `${whose[e.of]}.${e.name}`;
    case "over":
      return `${whose[e.of]}.${e.how}(${py(e.value)})`;
    case "call":
      return `${functionNames[e.name] ?? e.name}(${e.args.map(py).join(", ")})`;
    case "negate":
      return `-${grouped(e.value)}`;
    default:
      return `${grouped(e.left)} ${signs[e.kind]} ${grouped(e.right)}`;
  }
}

const grouped = (e: Equation): string => ("left" in e ? `(${py(e)})` : py(e));

const HEAD = `"""What fine-tuning makes smaller, written from the equations that Sinter compiles.

logp and ref are ln p of each target, by the model and by the one that the run began with: [N, T]. A token,
an answer, or a pair of answers has one loss; a step's is the mean over all of them.
"""
import torch
from torch.nn import functional as F


class Answers:
    """Numbers of N answers; what stands at rows that are not counted has no part in anything."""

    def __init__(self, logp, ref, counted):
        self.logp, self.ref, self.counted = logp, ref, counted
        self.length = counted.sum(-1)

    def sum(self, x):
        return torch.where(self.counted, x, torch.zeros_like(x)).sum(-1)

    def mean(self, x):
        return self.sum(x) / self.length.clamp(min=1)

    def last(self, x):
        at = (self.counted * torch.arange(1, x.shape[-1] + 1, device=x.device)).argmax(-1, keepdim=True)
        return x.gather(-1, at).squeeze(-1)


def exp(x):
    return torch.exp(x.clamp(-20, 20))


def log(x):
    return torch.log(x)


def log1mexp(x):
    x = x.clamp(max=-1e-7)
    near = x > -0.6931471805599453
    close = torch.log(-torch.expm1(torch.where(near, x, -torch.ones_like(x))))
    return torch.where(near, close, torch.log1p(-torch.exp(torch.where(near, -torch.ones_like(x), x))))


def sigmoid(x):
    return torch.sigmoid(x)


def logsigmoid(x):
    return F.logsigmoid(x)


def square(x):
    return x * x


def relu(x):
    return F.relu(x)


def step(x):
    return (x > 0).to(x.dtype)


def stop(x):
    return x.detach()


def least(a, b):
    return torch.minimum(*torch.broadcast_tensors(torch.as_tensor(a), torch.as_tensor(b)))


def most(a, b):
    return torch.maximum(*torch.broadcast_tensors(torch.as_tensor(a), torch.as_tensor(b)))


def clip(x, low, high):
    return least(most(x, low), high)`;

export function objectivesPy(model: Model): string {
  const all = programObjectives(model);
  const functions = all.map((objective) => {
    const args = objective.unit === "pair" ? "chosen, rejected, s" : "own, s";
    return `def objective_${objective.name}(${args}):\n    return ${py(equationOf(objective))}`;
  });
  const rows = all.map((objective) => {
    const { name, unit, settings } = objective;
    const equation = equationOf(objective);
    const used = settingsIn(equation);
    const given = Object.fromEntries(Object.entries(settings).filter(([key]) => used.includes(key)));
    const compares = tokensIn(equation).includes("ref") ? "True" : "False";
    return `    "${name}": ("${unit}", objective_${name}, ${JSON.stringify(given)}, ${compares}),`;
  });
  const about =
    `# by name: what has a loss (${units.join(", ")}), which, the numbers in it, and whether it compares\n` +
    "# with a reference";
  const table = `${about}\nOBJECTIVES = {\n${rows.join("\n")}\n}`;
  return [HEAD, ...functions, table].join("\n\n\n");
}
