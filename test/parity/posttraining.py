"""
Objectives of post-training in PyTorch, as their papers and TRL write them: what compiled modules have to
agree with.

    /usr/bin/python3 test/parity/posttraining.py            writes fixtures/posttraining-<spec>.safetensors
    /usr/bin/python3 test/parity/posttraining.py --check    compares the files with what it would write

Models are those of fixtures.py, computed in float64 from float32 parameters. Four pairs of answers of unequal
lengths behind prompts of unequal lengths; sequence 2i is the chosen answer, 2i + 1 the rejected one. "Old" is
the model before its parameters were moved a little.

    <parameter>  head.value.weight  head.value.bias
    tokens targets [B*T]      a target of -1 is not counted
    old reference advantages returns old_values rewards [B*T]   labels [B]   margins [B]
    logprobs entropies values [B*T]       0 where the target is -1
    layers.<i>.<map>.lora_a [in, r]  lora_b [r, out]    adapters of all maps of the layers, alpha = 2 r; no
                                          other case has them
    <case>.loss [1]                       the mean over its units
    <case>.gradient.<parameter>           of what the step makes smaller
"""
import argparse
import math

import torch
import torch.nn.functional as F

from fixtures import HERE, SPECS, Parameters, Parts, logits_of, safetensors

B, T = 8, 16
CASES = {
    "llama": ["dpo", "ipo", "kto", "orpo", "reward", "grpo_dapo", "grpo_k3", "ppo"]
}  # of other specs: all
GAMMA, LAMBDA = 1.0, 0.95
# spec -> the parameters whose gradients are compared
GRADIENTS = {
    "gpt2": [
        "token_embedding.weight",
        "layers.0.attention.out.weight",
        "layers.0.layernorm_1.weight",
        "layers.1.attention.qkv.bias",
        "layers.1.mlp.down.bias",
        "output.layernorm.weight",
    ],
    "llama": [
        "token_embedding.weight",
        "layers.0.attention.out.weight",
        "layers.0.rmsnorm_1.weight",
        "layers.1.rmsnorm_1.weight",
        "layers.1.rmsnorm_2.weight",
        "output.rmsnorm.weight",
    ],
}


def hidden_and_logits(spec, parameters, tokens):
    """The rows that the output's linear map reads, and the logits."""
    seen = {}
    last = spec["last"]

    def remembered(p, x):
        seen["hidden"] = last(p, x)
        return seen["hidden"]

    logits = logits_of({**spec, "last": remembered}, parameters, tokens)
    return seen["hidden"], logits


def rows_of(spec, parameters, tokens, targets):
    """ln p(target), entropy and value of each row [B,T]; 0 where the target is -1."""
    hidden, logits = hidden_and_logits(spec, parameters, tokens)
    lp = logits.log_softmax(-1)
    mask = targets >= 0
    logp = torch.where(
        mask, lp.gather(-1, targets.clamp(min=0)[..., None])[..., 0], torch.zeros_like(lp[..., 0])
    )
    entropy = torch.where(mask, -(lp.exp() * lp).sum(-1), torch.zeros_like(logp))
    value = hidden @ parameters["head.value.weight"] + parameters["head.value.bias"]
    return logp, entropy, value


def answers(logp, reference, mask):
    """Sums and lengths per answer, chosen first: each [pairs]."""
    lp, ref, n = (logp * mask).sum(-1), (reference * mask).sum(-1), mask.sum(-1).to(logp.dtype)
    return lp[0::2], lp[1::2], ref[0::2], ref[1::2], n[0::2], n[1::2]


def pair_losses(kind, logp, reference, mask, beta=0.3, e=0.1, gamma=0.4, lam=0.2):
    """[pairs]; the table of TRL's `loss_type`."""
    c, r, rc, rr, nc, nr = answers(logp, reference, mask)
    up, down = c - rc, r - rr
    delta, mean_delta = up - down, up / nc - down / nr
    ls = F.logsigmoid
    nll = -c / nc
    return {
        "dpo": lambda: -ls(beta * delta),
        "cdpo": lambda: -(1 - e) * ls(beta * delta) - e * ls(-beta * delta),
        "dpo_nll": lambda: -ls(beta * delta) + 0.5 * nll,
        "robust": lambda: (-(1 - e) * ls(beta * delta) + e * ls(-beta * delta)) / (1 - 2 * e),
        "sigmoid_norm": lambda: -ls(beta * mean_delta),
        "ipo": lambda: (mean_delta - 1 / (2 * beta)) ** 2,
        "ipo_sum": lambda: (delta - 1 / (2 * beta)) ** 2,
        "hinge": lambda: torch.relu(1 - beta * delta),
        "bco_pair": lambda: -ls(beta * up) - ls(-beta * down),
        "nca_pair": lambda: -ls(beta * up) - 0.5 * ls(-beta * up) - 0.5 * ls(-beta * down),
        "sppo_hard": lambda: (up - 0.5 / beta) ** 2 + (down + 0.5 / beta) ** 2,
        "apo_zero": lambda: 1 - torch.sigmoid(beta * up) + torch.sigmoid(beta * down),
        "apo_down": lambda: torch.sigmoid(beta * up) + 1 - torch.sigmoid(beta * delta),
        "simpo": lambda: -ls(beta * (c / nc - r / nr) - gamma),
        "cpo": lambda: -ls(beta * (c - r)) + nll,
        "orpo": lambda: nll
        - lam * ls((c / nc - torch.log1p(-torch.exp(c / nc))) - (r / nr - torch.log1p(-torch.exp(r / nr)))),
    }[kind]()


PAIRS = [
    "dpo",
    "cdpo",
    "dpo_nll",
    "robust",
    "sigmoid_norm",
    "ipo",
    "ipo_sum",
    "hinge",
    "bco_pair",
    "nca_pair",
    "sppo_hard",
    "apo_zero",
    "apo_down",
    "simpo",
    "cpo",
    "orpo",
]


def kto_losses(logp, reference, mask, labels, beta=0.3, z=0.2, desirable=1.3, undesirable=0.7):
    ratio = ((logp - reference) * mask).sum(-1)
    return torch.where(
        labels > 0,
        desirable * (1 - torch.sigmoid(beta * (ratio - z))),
        undesirable * (1 - torch.sigmoid(beta * (z - ratio))),
    )


def reward_losses(value, mask, margins, center):
    """[pairs]: the head's value at the last counted row of each answer."""
    last = torch.where(mask, torch.arange(T).expand(B, T), -1).max(-1).values
    score = value.gather(-1, last[:, None])[:, 0]
    return (
        -F.logsigmoid(score[0::2] - score[1::2] - margins[0::2]) + center * (score[0::2] + score[1::2]) ** 2
    )


def clipped(ratio, advantages, low=0.2, high=0.28):
    return -torch.min(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


def aggregated(per_token, mask, how):
    """TRL's `loss_type`: four ways to sum a policy gradient's tokens; one micro-batch is the whole step."""
    total = per_token * mask
    return {
        "grpo": lambda: (total.sum(-1) / mask.sum(-1)).mean(),
        "bnpo": lambda: total.sum() / mask.sum(),
        "dapo": lambda: total.sum() / mask.sum(),
        "dr_grpo": lambda: total.sum() / (B * 12),
    }[how]()


def gae(rewards, values, mask):
    """Advantages and returns over each answer's counted rows; what comes after its end is worth 0."""
    advantages = torch.zeros_like(values)
    for b in range(B):
        rows = mask[b].nonzero()[:, 0].tolist()
        following, after = 0.0, 0.0
        for t in reversed(rows):
            following = rewards[b, t] + GAMMA * after - values[b, t] + GAMMA * LAMBDA * following
            after = values[b, t]
            advantages[b, t] = following
    returns = advantages + values
    counted = advantages[mask]
    white = (advantages - counted.mean()) / (counted.var(unbiased=False) + 1e-8).sqrt()
    return torch.where(mask, white, torch.zeros_like(white)), torch.where(
        mask, returns, torch.zeros_like(returns)
    )


def cases(known, mask):
    """name -> from the model's rows to (mean loss, what the step makes smaller)."""
    old, reference, advantages = known["old"], known["reference"], known["advantages"]
    each = lambda losses: (losses.mean(), losses.mean())
    made = {}
    for kind in PAIRS:
        made[kind] = lambda logp, _h, _v, kind=kind: each(pair_losses(kind, logp, reference, mask))
    made["kto"] = lambda logp, _h, _v: each(kto_losses(logp, reference, mask, known["labels"]))
    none = torch.zeros(B, dtype=torch.float64)
    made["reward"] = lambda _l, _h, value: each(reward_losses(value, mask, none, 0.0))
    made["reward_margin"] = lambda _l, _h, value: each(reward_losses(value, mask, known["margins"], 0.05))
    tokens = lambda per_token, how: ((per_token * mask).sum() / mask.sum(), aggregated(per_token, mask, how))
    for how in ["grpo", "bnpo", "dapo", "dr_grpo"]:
        made[f"grpo_{how}"] = lambda logp, _h, _v, how=how: tokens(
            clipped((logp - old).exp(), advantages), how
        )
    d = lambda logp: logp - reference
    for kl, estimate in {
        "k1": d,
        "k2": lambda l: 0.5 * d(l) ** 2,
        "k3": lambda l: (-d(l)).exp() + d(l) - 1,
    }.items():
        made[f"grpo_{kl}"] = lambda logp, _h, _v, estimate=estimate: tokens(
            clipped((logp - old).exp(), advantages) + 0.3 * estimate(logp), "dapo"
        )
    made["cispo"] = lambda logp, _h, _v: tokens(
        -(logp - old).exp().clamp(max=1.28).detach() * advantages * logp, "dapo"
    )

    def dual(logp):
        surrogate = -clipped((logp - old).exp(), advantages)
        return -torch.where(advantages < 0, torch.max(surrogate, 3 * advantages), surrogate)

    made["grpo_dual"] = lambda logp, _h, _v: tokens(dual(logp), "dapo")
    n = mask.sum(-1)
    mean = lambda x: (x * mask).sum(-1) / n
    made["gspo"] = lambda logp, _h, _v: each(clipped(mean(logp - old).exp(), mean(advantages)))
    made["rloo"] = lambda logp, _h, _v: each(clipped(((logp - old) * mask).sum(-1).exp(), mean(advantages)))

    def ppo(logp, entropy, value):
        kept = value.clamp(known["old_values"] - 0.2, known["old_values"] + 0.2)
        value_loss = 0.5 * torch.max((value - known["returns"]) ** 2, (kept - known["returns"]) ** 2)
        return tokens(clipped((logp - old).exp(), advantages) + 0.1 * value_loss - 0.01 * entropy, "dapo")

    made["ppo"] = ppo
    return made


RANK, ALPHA = 3, 6
# spec -> the maps whose adapters' gradients are compared
ADAPTED = {
    "gpt2": ["layers.0.attention.qkv", "layers.1.attention.out", "layers.1.mlp.up", "layers.0.mlp.down"],
    "llama": ["layers.0.attention.qkv", "layers.1.swiglu.gate", "layers.1.swiglu.down"],
}


class Adapted(Parameters):
    """
    Parameters of a model whose layers' maps have adapters, as PEFT has them (Hu et al. 2021):
    y = x W + b + (alpha / r) (x A) B
    """


plain_linear = Parts.linear


def adapted_linear(self, name, x, out, bias):
    y = plain_linear(self, name, x, out, bias)
    if not isinstance(self.parameters, Adapted) or not self.prefix.startswith("layers."):
        return y
    stem = self.prefix + name
    a = self.parameters.tensor(f"{stem}.lora_a", (x.shape[-1], RANK), std=0.2)
    b = self.parameters.tensor(f"{stem}.lora_b", (RANK, out), std=0.1)
    return y + (ALPHA / RANK) * (x @ a) @ b


Parts.linear = adapted_linear


def lora_case(spec, name, parameters, tokens, targets):
    """The mean loss of the counted rows, and the gradients of some adapters; with all adapters."""
    adapted = Adapted(spec["seed"] + 1, known=dict(parameters))
    logits_of(spec, adapted, tokens)  # draws the adapters
    exact = Adapted(known={key: value.double().requires_grad_() for key, value in adapted.items()})
    loss = F.cross_entropy(logits_of(spec, exact, tokens).flatten(0, 1), targets.flatten(), ignore_index=-1)
    wanted = [f"{stem}.lora_{which}" for stem in ADAPTED[name] for which in "ab"]
    gradients = torch.autograd.grad(loss, [exact[key] for key in wanted])
    return {
        **{key: value for key, value in adapted.items() if "lora" in key},
        "lora.loss": loss.detach()[None],
        **{f"lora.gradient.{key}": gradient for key, gradient in zip(wanted, gradients)},
    }


def fixture(name):
    spec = {**SPECS[name], "batch": B}
    noise = torch.Generator().manual_seed(4000 + spec["seed"])
    tokens = torch.randint(spec["vocab"], (B, T), generator=noise)
    targets = torch.full((B, T), -1)
    for b in range(B):  # prompt, answer with its end token, padding
        prompt, length = 2 + int(torch.randint(3, (1,), generator=noise)), 4 + int(
            torch.randint(7, (1,), generator=noise)
        )
        targets[b, prompt : prompt + length] = F.pad(tokens[b], (0, 1))[prompt + 1 : prompt + length + 1]
    mask = targets >= 0
    parameters = Parameters(spec["seed"])
    logits_of(spec, parameters, tokens)  # draws them
    parameters.tensor("head.value.weight", (spec["width"],), std=0.2)
    parameters.tensor("head.value.bias", (1,), std=0.2)
    moved = lambda amount: Parameters(
        known={
            k: (v + amount * torch.randn(v.shape, generator=noise) * v.std()).double()
            if v.numel() > 1
            else v.double()
            for k, v in parameters.items()
        }
    )
    with torch.no_grad():
        old, _, old_values = rows_of(spec, moved(0.12), tokens, targets)
        reference, _, _ = rows_of(spec, moved(0.08), tokens, targets)
    zero = torch.zeros_like(old)
    rewards = torch.where(mask, 0.3 * torch.randn(B, T, generator=noise, dtype=torch.float64), zero)
    known = {
        "old": old,
        "reference": reference,
        "rewards": rewards,
        "old_values": torch.where(mask, old_values, zero),
        "labels": torch.tensor([1.0, -1, 1, 1, -1, -1, 1, -1], dtype=torch.float64),
        "margins": torch.where(
            torch.arange(B) % 2 == 0,
            torch.rand(B, generator=noise, dtype=torch.float64),
            torch.zeros(B, dtype=torch.float64),
        ),
    }
    known = {k: v.float().double() for k, v in known.items()}  # what is stored is what is computed with
    advantages, returns = gae(known["rewards"], known["old_values"], mask)
    known.update(advantages=advantages.float().double(), returns=returns.float().double())

    exact = parameters.trainable(torch.float64)
    made = rows_of(spec, exact, tokens, targets)
    tensors = {
        "tokens": tokens.flatten(),
        "targets": targets.flatten(),
        **parameters,
        **{k: v.flatten() for k, v in known.items()},
        **{k: v.detach().flatten() for k, v in zip(["logprobs", "entropies", "values"], made)},
    }
    wanted = GRADIENTS[name] + ["head.value.weight"]
    losses = {}
    for case, loss_of in cases(known, mask).items():
        if case not in CASES.get(name, [case]):
            continue
        loss, smaller = loss_of(*rows_of(spec, exact, tokens, targets))
        gradients = torch.autograd.grad(smaller, [exact[key] for key in wanted], allow_unused=True)
        losses[case] = loss.item()
        tensors[f"{case}.loss"] = loss.detach()[None]
        for key, gradient in zip(wanted, gradients):
            if gradient is not None:
                tensors[f"{case}.gradient.{key}"] = gradient
    tensors.update(
        lora_case(
            spec, name, {k: v for k, v in parameters.items() if not k.startswith("head.")}, tokens, targets
        )
    )
    losses["lora"] = tensors["lora.loss"].item()
    assert all(math.isfinite(v) for v in losses.values())
    return tensors, losses


def main():
    parser = argparse.ArgumentParser(description="Writes the fixtures of post-training's objectives.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    for name in GRADIENTS:
        tensors, losses = fixture(name)
        file, content = HERE / "fixtures" / f"posttraining-{name}.safetensors", safetensors(tensors)
        if check:
            if file.read_bytes() != content:
                raise SystemExit(f"{file} is not what this script writes")
        else:
            file.write_bytes(content)
        print(
            f"{name:6} {len(content) / 1e3:6.1f} kB   "
            + "   ".join(f"{case} {loss:.4f}" for case, loss in losses.items())
        )


if __name__ == "__main__":
    main()
