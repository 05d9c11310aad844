/** finetune.py of an exported program: answers to questions, and which of two answers is better. */
export const finetunePy = `"""Fine-tunes the model: python finetune.py --data FILE --objective NAME

Each line of FILE is an example in token ids, as JSON: {"prompt": [...], "answer": [...]} for an objective of
tokens or answers, {"prompt": [...], "chosen": [...], "rejected": [...]} for one of pairs. Answers hold the
token that ends them. An example has a row of its own, the answer's tokens count, and what is longer than the
context is left out. Examples are drawn in another order than Sinter's.
"""
import argparse
import json
import pathlib

import torch
from torch.nn import functional as F

import parallel
import train
import weights
from model import LanguageModel
from objectives import OBJECTIVES, Answers

HERE = pathlib.Path(__file__).parent


class FineTuned(LanguageModel):
    """The model with another loss: of tokens, answers, or pairs, of which two rows are one."""

    def begin(self, objective, settings):
        self.unit, self.equation, given = OBJECTIVES[objective]
        self.settings = {**given, **settings}
        self.references = []
        return self

    def logprobs(self, tokens, targets):
        """ln p of each target [N, T], and the experts' balance."""
        rows, penalty = self.model(tokens, targets.flatten() >= 0)
        logits = self.lm_head(rows)[..., : self.sizes["vocab"]]
        logits = logits if logits.dtype == torch.float64 else logits.float()
        lost = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="none")
        return -lost.view_as(targets), penalty

    def loss_sum(self, tokens, targets, chunks=1):
        """The sum of all losses of these rows. What the reference says of them was put into references."""
        logp, penalty = self.logprobs(tokens, targets)
        ref = self.references.pop(0) if self.references else torch.zeros_like(logp)
        counted = targets >= 0
        if self.unit == "pair":
            pair = (Answers(logp[i::2], ref[i::2], counted[i::2]) for i in (0, 1))
            return self.equation(*pair, self.settings).sum(), penalty
        own = Answers(logp, ref, counted)
        lost = self.equation(own, self.settings)
        return (own.sum(lost) if self.unit == "token" else lost).sum(), penalty

    def units(self, targets):
        if self.unit == "token":
            return super().units(targets)
        return torch.tensor(len(targets) // (2 if self.unit == "pair" else 1), device=targets.device)


def answers_of(example, unit):
    return [example["chosen"], example["rejected"]] if unit == "pair" else [example["answer"]]


def read(path, unit, context):
    """Examples that fit into the context."""
    found = [json.loads(line) for line in open(path) if line.strip()]
    fits = lambda e: all(len(e["prompt"]) + len(answer) <= context + 1 for answer in answers_of(e, unit))
    kept = [example for example in found if fits(example)]
    if not kept:
        raise SystemExit(f"{path}: none of {len(found)} examples fits into {context} tokens")
    if len(kept) < len(found):
        print(f"{len(found) - len(kept)} of {len(found)} examples are longer than {context} tokens")
    return kept


def rows_of(examples, unit):
    """tokens and targets [N, T]; targets of prompts, and behind the end, are -1."""
    pairs = [(e["prompt"], answer) for e in examples for answer in answers_of(e, unit)]
    length = max(len(prompt) + len(answer) for prompt, answer in pairs) - 1
    tokens = torch.zeros(len(pairs), length, dtype=torch.int64)
    targets = torch.full((len(pairs), length), -1)
    for i, (prompt, answer) in enumerate(pairs):
        whole = torch.tensor([*prompt, *answer])
        tokens[i, : len(whole) - 1] = whole[:-1]
        first = max(len(prompt) - 1, 0)
        targets[i, first : len(whole) - 1] = whole[1 + first :]
    return tokens, targets


@torch.no_grad()
def reference(model, batch, device):
    """What the model says of a batch before it learns."""
    tokens, targets = (part.to(device) for part in batch)
    return model.logprobs(tokens, targets)[0]


def settings_of(given):
    return {name: float(value) for name, _, value in (pair.partition("=") for pair in given)}


def main():
    ask = argparse.ArgumentParser(description="Fine-tunes the model of model.json.")
    ask.add_argument("--data", required=True, help="examples: JSON Lines of token ids")
    ask.add_argument("--objective", default="sft", choices=sorted(OBJECTIVES))
    ask.add_argument("--set", action="append", default=[], help="a number of the objective: beta=0.2")
    ask.add_argument("--sizes", default=HERE / "model.json", help="model.json, or a shadow's")
    ask.add_argument("--weights", help="a folder or file to begin from")
    ask.add_argument("--out", default=HERE / "run-tuned", type=pathlib.Path, help="folder of the run")
    ask.add_argument("--steps", type=int, default=200)
    ask.add_argument("--batch", type=int, default=8, help="examples of a step, over all processes")
    ask.add_argument("--lr", type=float, help="default: a tenth of training's")
    ask.add_argument("--mode", default="ddp", choices=["ddp"])
    ask.add_argument("--recompute", action="store_true")
    ask.add_argument("--compile", action="store_true")
    given = ask.parse_args()
    sizes = json.loads(pathlib.Path(given.sizes).read_text())
    lr = given.lr or sizes["train"]["lr"] / 10
    t = {**sizes["train"], "lr": lr, "min_lr": 0, "warmup": min(100, given.steps // 20)}
    t = {**t, "steps": given.steps, "schedule": "linear", "decay": 0}
    with parallel.started(given) as spread:
        if given.batch % spread.ranks:
            raise SystemExit(f"{given.batch} examples do not divide among {spread.ranks} processes")
        model = FineTuned(sizes, device=spread.device).begin(given.objective, settings_of(given.set))
        weights.begin(model, t["seed"])
        if given.weights:
            weights.load(model, given.weights)
        examples = read(given.data, model.unit, sizes["context"])
        order = torch.Generator().manual_seed(t["seed"])
        draws = [
            torch.randint(len(examples), (given.batch,), generator=order).tolist()
            for _ in range(given.steps)
        ]
        batches = [rows_of([examples[i] for i in draw], model.unit) for draw in draws]
        mine = [spread.share(*batch) for batch in batches]
        known = [reference(model, batch, spread.device) for batch in mine]
        model = spread.wrap(model)
        optimizer = train.make_optimizer(model, t, spread.device)
        given.out.mkdir(parents=True, exist_ok=True)
        for step, (batch, said) in enumerate(zip(mine, known), start=1):
            spread.plain(model).references = [said]
            rate = train.learning_rate(step, t)
            batch = tuple(part.to(spread.device) for part in batch)
            loss, norm = train.train_step(model, optimizer, [batch], t, rate, spread)
            if spread.is_first:
                line = {"step": step, "loss": loss, "norm": norm, "lr": rate}
                with open(given.out / "log.jsonl", "a") as log:
                    log.write(json.dumps(line) + "\\n")
                if step == 1 or step % 10 == 0 or step == given.steps:
                    print(f"step {step}  loss {loss:.4f}  norm {norm:.3f}", flush=True)
        spread.save(model, optimizer, given.out, given.steps)


if __name__ == "__main__":
    main()
`;
