"""
The specs of test/parity/specs, built a second time in PyTorch: what the compiled models have to agree with.

    /usr/bin/python3 test/parity/fixtures.py            writes fixtures/<name>.safetensors, all of them
    /usr/bin/python3 test/parity/fixtures.py gpt2       writes this one alone
    /usr/bin/python3 test/parity/fixtures.py --check    compares the files that are there with what it would write

Every number is computed in float64 from float32 parameters, and stored as float32. A float32 run stands beside it: how far
PyTorch itself is off says what a tolerance can ask for.

    <parameter>               initial values
    gradient.<parameter>      of the mean loss, before clipping
    tokens targets [B*T]      a target of -1 is not counted
    logits [B*T, V]   loss [1]   norm [1]: of all gradients, before clipping
    losses [10]               AdamW, one batch over and over, each loss from before its update
    rates [10]                learning rates of these steps, where the spec has a schedule
"""
import argparse
import json
import math
import pathlib
import struct

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent
STEPS = 10
ADAMW = dict(lr=1e-2, betas=(0.9, 0.95), eps=1e-8)
DECAY, CLIP = 0.1, 1.0  # decay on tensors of two or more dimensions only

ACTIVATIONS = {
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": F.silu,
}


class Parameters(dict):
    """Name -> tensor. A name asked for the first time is drawn: the models below declare their parameters by using them."""

    def __init__(self, seed=0, known=()):
        super().__init__(known)
        self.penalties = []  # of the last forward: added to the objective
        self.counted = slice(None)  # rows whose targets count, where the objective asks
        self.noise = torch.Generator().manual_seed(seed)

    def tensor(self, name, shape, std, mean=0.0):
        if name not in self:
            self[name] = torch.randn(*shape, generator=self.noise, dtype=torch.float32) * std + mean
        return self[name]

    def trainable(self, dtype):
        return Parameters(known={name: value.clone().to(dtype).requires_grad_() for name, value in self.items()})


def rope_turns(T, D, theta, factor=1.0, low=1.0, high=4.0, original=1):
    """[T,D/2] complex numbers of length 1: position t turns pair i by t * frequency[i]. Scaled as the Llama 3.1 report's code does."""
    plain = theta ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    wavelength = 2 * math.pi / plain
    smooth = ((original / wavelength - low) / (high - low)).clamp(0, 1)  # 0: stretched in full, 1: not at all
    frequency = (1 - smooth) * plain / factor + smooth * plain if factor != 1 else plain
    angle = torch.outer(torch.arange(T, dtype=torch.float64), frequency)
    return torch.polar(torch.ones_like(angle), angle)


def turned(x, turns):
    """x [...,T,D], neighbouring columns as one complex number"""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(pairs * turns.to(pairs.dtype)).flatten(-2)


class Parts:
    """The parts of the language, under one prefix of names ("layers.0.", "output."). x [B,T,C]"""

    def __init__(self, parameters, prefix, heads, kv_heads, head_dim, layer=0):
        self.layer, self.parameters, self.prefix, self.heads, self.kv_heads, self.head_dim = layer, parameters, prefix, heads, kv_heads, head_dim

    def matrix(self, name, rows, columns):
        return self.parameters.tensor(self.prefix + name, (rows, columns), std=0.6 / math.sqrt(rows))

    def vector(self, name, length, mean=0.0):
        return self.parameters.tensor(self.prefix + name, (length,), std=0.1, mean=mean)

    def linear(self, name, x, out, bias):
        y = x @ self.matrix(f"{name}.weight", x.shape[-1], out)  # weight [in, out]
        return y + self.vector(f"{name}.bias", out) if bias else y

    def plain_rmsnorm(self, x, eps=1e-5):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)

    def layernorm(self, x, name="layernorm", bias=True, eps=1e-5):
        weight = self.vector(f"{name}.weight", x.shape[-1], mean=1.0)
        return F.layer_norm(x, x.shape[-1:], weight, self.vector(f"{name}.bias", x.shape[-1]) if bias else None, eps)

    def rmsnorm(self, x, name="rmsnorm", eps=1e-5):
        return self.plain_rmsnorm(x, eps) * self.vector(f"{name}.weight", x.shape[-1], mean=1.0)

    def attention(self, x, name="attention", bias=False, rope=None, window=None, qk_norm=None):
        B, T, C = x.shape
        H, G, D = self.heads, self.kv_heads, self.head_dim
        qkv = self.linear(f"{name}.qkv", x, (H + 2 * G) * D, bias).view(B, T, H + 2 * G, D).transpose(1, 2)  # [B,heads,T,D]
        q, k, v = qkv.split([H, G, G], dim=1)
        if qk_norm is not None:
            q, k = self.rmsnorm(q, f"{name}.q_norm", qk_norm), self.rmsnorm(k, f"{name}.k_norm", qk_norm)
        if rope is not None:
            turns = rope_turns(T, D, **rope)
            q, k = turned(q, turns), turned(k, turns)
        k, v = (kv.repeat_interleave(H // G, dim=1) for kv in (k, v))
        scores = (q @ k.transpose(-1, -2)) / math.sqrt(D)  # [B,H,T,T]
        hidden = torch.ones(T, T, dtype=torch.bool).triu(1)
        if window is not None:
            hidden |= torch.ones(T, T, dtype=torch.bool).tril(-window)
        mixed = scores.masked_fill(hidden, -math.inf).softmax(-1) @ v
        return self.linear(f"{name}.out", mixed.transpose(1, 2).reshape(B, T, H * D), C, bias)

    def geglu(self, x, hidden, name="geglu"):
        return self.swiglu(x, hidden, name, ACTIVATIONS["gelu_tanh"])

    def swiglu(self, x, hidden, name="swiglu", activation=F.silu):
        gate, up = (self.linear(f"{name}.{which}", x, hidden, False) for which in ("gate", "up"))
        return self.linear(f"{name}.down", activation(gate) * up, x.shape[-1], False)

    def experts(self, x, count, top, hidden, balance, gated=True, renormalise=True, activation=F.silu, name="experts"):
        """Every expert works on every token; the weights of those that are not chosen are zero."""
        C = x.shape[-1]
        rows = x.flatten(0, -2)
        logits = self.linear(f"{name}.router", rows, count, False)
        best, chosen = logits.topk(top, dim=-1)
        weights = torch.zeros_like(logits).scatter(-1, chosen, best.softmax(-1) if renormalise else logits.softmax(-1).gather(-1, chosen))  # [rows,count]
        counted = self.parameters.counted
        share = F.one_hot(chosen, count).to(x.dtype)[counted].mean((0, 1))
        self.parameters.penalties.append(balance * count * (share * logits.softmax(-1)[counted].mean(0)).sum())
        stack = lambda which, shape: self.parameters.tensor(f"{self.prefix}{name}.{which}.weight", (count, *shape), std=0.6 / math.sqrt(shape[0]))
        inner = torch.einsum("rc,ech->erh", rows, stack("gate", (C, hidden))) if gated else None
        up = torch.einsum("rc,ech->erh", rows, stack("up", (C, hidden)))
        bent = activation(inner) * up if gated else activation(up)
        mixed = torch.einsum("erh,ehc,re->rc", bent, stack("down", (hidden, C)), weights)
        return mixed.view_as(x)

    def mlp(self, x, hidden, activation, name="mlp", bias=False):
        return self.linear(f"{name}.down", ACTIVATIONS[activation](self.linear(f"{name}.up", x, hidden, bias)), x.shape[-1], bias)


def gpt2_layer(p, x):
    x = x + p.attention(p.layernorm(x, "layernorm_1"), bias=True)
    return x + p.mlp(p.layernorm(x, "layernorm_2"), 128, "gelu_tanh", bias=True)


def parallel_layer(p, x):
    h = p.layernorm(x)
    return x + p.attention(h) + p.mlp(h, 128, "gelu_tanh", bias=True)


def post_norm_layer(p, x):
    x = p.layernorm(x + p.attention(x, bias=True), "layernorm_1")
    return p.layernorm(x + p.mlp(x, 128, "relu", bias=True), "layernorm_2")


def rmsnorm_relu2_layer(p, x):
    x = x + p.attention(p.rmsnorm(x, "rmsnorm_1"))
    return x + p.mlp(p.rmsnorm(x, "rmsnorm_2"), 96, "relu2")


def untied_layer(p, x):
    x = x + p.attention(p.layernorm(x, "layernorm_1", bias=False))
    return x + p.mlp(p.layernorm(x, "layernorm_2", bias=False), 128, "gelu")


def odd_sizes_layer(p, x):
    x = x + p.attention(p.layernorm(x, "layernorm_1"), bias=True)
    return x + p.mlp(p.layernorm(x, "layernorm_2"), 72, "silu", bias=True)


def nested_layer(p, x):
    h = x + p.attention(p.rmsnorm(x), bias=True)
    inner = h + p.mlp(x, 20, "silu", name="mlp_1")
    return x + p.layernorm(p.mlp(inner, 56, "gelu", name="mlp_2", bias=True))


def llama_layer(p, x):
    x = x + p.attention(p.rmsnorm(x, "rmsnorm_1"), rope=dict(theta=500000, factor=8, low=1, high=4, original=64))
    return x + p.swiglu(p.rmsnorm(x, "rmsnorm_2"), 88)


def llama_tied_layer(p, x):
    x = x + p.attention(p.rmsnorm(x, "rmsnorm_1", eps=1e-6), rope=dict(theta=10000))
    return x + p.swiglu(p.rmsnorm(x, "rmsnorm_2", eps=1e-6), 56)


def banded_layer(p, x):
    x = x + p.attention(p.layernorm(x, "layernorm_1"), bias=True, window=[None, 7, 7][p.layer % 3])
    return x + p.mlp(p.layernorm(x, "layernorm_2"), 64, "gelu_tanh", bias=True)


def sliding_layer(p, x):
    x = x + p.attention(p.rmsnorm(x, "rmsnorm_1"), rope=dict(theta=10000), window=5)
    return x + p.geglu(p.rmsnorm(x, "rmsnorm_2"), 96)


def qk_norm_layer(p, x):
    x = x + p.attention(p.rmsnorm(x, "rmsnorm_1"), rope=dict(theta=10000), qk_norm=1e-6)
    return x + p.swiglu(p.rmsnorm(x, "rmsnorm_2"), 40)


def mixture_layer(p, x):
    x = x + p.attention(p.rmsnorm(x, "rmsnorm_1"), rope=dict(theta=10000))
    return x + p.experts(p.rmsnorm(x, "rmsnorm_2"), 5, 2, 24, 0.05)


def mixture_mlp_layer(p, x):
    x = x + p.attention(p.layernorm(x, "layernorm_1"))
    return x + p.experts(p.layernorm(x, "layernorm_2"), 4, 1, 40, 0.01, gated=False, renormalise=False, activation=F.gelu)


def mixture_masked_layer(p, x):
    return x + p.experts(p.rmsnorm(x), 4, 2, 16, 0.5)


def names_layer(p, x):
    x = x + p.attention(p.plain_rmsnorm(x))
    return x + p.mlp(p.plain_rmsnorm(x), 64, "relu")


def narrow_heads_layer(p, x):
    x = x + p.attention(p.layernorm(x, "layernorm_1"), bias=True)
    return x + p.mlp(p.layernorm(x, "layernorm_2"), 48, "gelu_tanh", bias=True)


def wide_heads_layer(p, x):
    x = x + p.attention(p.rmsnorm(x, "rmsnorm_1"), rope=dict(theta=10000))
    return x + p.swiglu(p.rmsnorm(x, "rmsnorm_2"), 40)


def normed(p, x):
    return p.layernorm(x)


def rms_normed(p, x):
    return p.rmsnorm(x)


SMALL = dict(vocab=64, context=16, width=32, layers=2, heads=4, batch=2)

# name -> sizes, layer, what the output's linear reads; "output": None = tied, else whether it has a bias.
# Seeds: Adam's first step is lr * sign(gradient). These keep every gradient far enough from zero that rounding does not decide a sign.
SPECS = {
    "gpt2": dict(**SMALL, seed=20, layer=gpt2_layer, last=normed),
    "parallel": dict(**SMALL, seed=9, layer=parallel_layer, last=normed),
    "post-norm": dict(**SMALL, seed=7, layer=post_norm_layer, last=lambda p, x: x),
    "rmsnorm-relu2": dict(**SMALL, seed=21, layer=rmsnorm_relu2_layer, last=lambda p, x: p.rmsnorm(x), output=dict(bias=False), position=False),
    "untied": dict(**SMALL, seed=2, layer=untied_layer, last=normed, output=dict(bias=True), ignored=0.3),
    "odd-sizes": dict(seed=18, vocab=61, context=13, width=40, layers=3, heads=5, batch=3, layer=odd_sizes_layer, last=normed),
    "nested": dict(seed=23, vocab=50, context=12, width=32, layers=1, heads=2, head_dim=24, batch=2, layer=nested_layer,
                   last=lambda p, x: p.rmsnorm(x) + x),
    "llama": dict(**SMALL, kv_heads=2, seed=1, layer=llama_layer, last=rms_normed, output=dict(bias=False), position=False),
    "llama-tied": dict(seed=1, vocab=61, context=21, width=40, layers=3, heads=6, kv_heads=2, head_dim=10, batch=2, layer=llama_tied_layer, last=rms_normed,
                       position=False),
    "banded": dict(seed=3, vocab=64, context=24, width=32, layers=4, heads=4, batch=2, layer=banded_layer, last=normed),
    "sliding": dict(seed=1, vocab=50, context=19, width=32, layers=2, heads=4, kv_heads=2, batch=2, layer=sliding_layer, last=rms_normed, position=False),
    "qk-norm": dict(seed=2, vocab=50, context=14, width=32, layers=2, heads=4, kv_heads=2, head_dim=6, batch=2, layer=qk_norm_layer, last=rms_normed, position=False),
    "embed-norm": dict(**SMALL, seed=1, layer=gpt2_layer, last=normed, embedded=normed, schedule=dict(warmup=2, floor=0.2)),
    "names": dict(seed=1, vocab=27, context=16, width=16, layers=1, heads=4, batch=3, layer=names_layer, last=lambda p, x: x, output=dict(bias=False),
                  embedded=lambda p, x: p.plain_rmsnorm(x), documents=True, schedule=dict(warmup=0, floor=0)),
    "narrow-heads": dict(seed=1, vocab=50, context=13, width=31, layers=2, heads=2, head_dim=14, batch=2, layer=narrow_heads_layer, last=normed),
    "wide-heads": dict(seed=1, vocab=61, context=15, width=35, layers=2, heads=3, kv_heads=1, head_dim=12, batch=2, layer=wide_heads_layer, last=rms_normed,
                       position=False),
    "mixture": dict(seed=1, vocab=64, context=16, width=32, layers=2, heads=4, kv_heads=2, batch=2, layer=mixture_layer, last=rms_normed, position=False),
    "mixture-mlp": dict(seed=1, vocab=50, context=11, width=24, layers=1, heads=2, batch=3, layer=mixture_mlp_layer, last=normed, output=dict(bias=False)),
    "mixture-masked": dict(seed=1, vocab=32, context=12, width=16, layers=2, heads=2, batch=2, layer=mixture_masked_layer, last=rms_normed, ignored=0.7,
                           position=False),
}


def logits_of(spec, parameters, tokens):
    """tokens [B,T] -> logits [B,T,V]"""
    V, C, H = spec["vocab"], spec["width"], spec["heads"]
    G, D = spec.get("kv_heads", H), spec.get("head_dim", C // H)
    embedding = parameters.tensor("token_embedding.weight", (V, C), std=1 / math.sqrt(C))
    x = F.embedding(tokens, embedding)
    if spec.get("position", True):
        x = x + parameters.tensor("position_embedding.weight", (spec["context"], C), std=0.1)[: tokens.shape[1]]
    x = spec.get("embedded", lambda p, x: x)(Parts(parameters, "embed.", H, G, D), x)
    for i in range(spec["layers"]):
        x = spec["layer"](Parts(parameters, f"layers.{i}.", H, G, D, i), x)
    output = Parts(parameters, "output.", H, G, D)
    x = spec["last"](output, x)
    untied = spec.get("output")
    return output.linear("linear", x, V, **untied) if untied else x @ embedding.T


def linear_schedule(optimizer, warmup, floor):
    """A warm-up whose first step is not zero, then a line to `floor` times the peak, which all STEPS would reach."""
    fall = torch.optim.lr_scheduler.LinearLR(optimizer, 1, floor, STEPS - warmup)
    if warmup == 0:
        return fall
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / (warmup + 1), 1, warmup)
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], [warmup])


def run(spec, parameters, tokens, targets):
    """One forward and backward, then AdamW. Returns logits, loss, gradients, norm, losses, rates; `parameters` are trained."""
    def loss_of():
        parameters.penalties.clear()
        parameters.counted = targets.flatten() >= 0
        logits = logits_of(spec, parameters, tokens)
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

    groups = [{"params": [p for p in parameters.values() if p.dim() >= 2], "weight_decay": DECAY},
              {"params": [p for p in parameters.values() if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, **ADAMW)
    schedule = linear_schedule(optimizer, **spec["schedule"]) if "schedule" in spec else None
    losses, rates, first = [], [], None
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        logits, loss = loss_of()
        (loss + sum(parameters.penalties)).backward()
        losses.append(loss.item())
        gradients = {name: p.grad.clone() for name, p in parameters.items()}
        norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), CLIP)
        first = first or dict(logits=logits.detach().flatten(0, 1), loss=loss.item(), gradients=gradients, norm=norm.item())
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule:
            schedule.step()
    return dict(**first, losses=losses, rates=rates if schedule else None)


def documents(tokens, noise):
    """Rows of documents of all lengths: token 0 begins and ends each, what is behind the end is padding and not counted."""
    B, T = tokens.shape
    targets = torch.full((B, T), -1)
    for b in range(B):
        length = int(torch.randint(1, T + 2, (1,), generator=noise))  # T + 1: cut, its end does not fit
        text = torch.randint(1, 27, (length,), generator=noise)
        row = F.pad(text, (1, 1))  # 0 text 0
        tokens[b] = F.pad(row[:-1][:T], (0, max(0, T - len(row) + 1)))
        targets[b, : len(row) - 1] = row[1 : T + 1]
    return tokens, targets


def fixture(name):
    spec = SPECS[name]
    seed = spec["seed"]
    noise = torch.Generator().manual_seed(1000 + seed)
    shape = (spec["batch"], spec["context"])
    tokens = torch.randint(spec["vocab"], shape, generator=noise)
    targets = torch.randint(spec["vocab"], shape, generator=noise)
    targets[torch.rand(shape, generator=noise) < spec.get("ignored", 0)] = -1
    if spec.get("documents"):
        tokens, targets = documents(tokens, noise)
    parameters = Parameters(seed)
    logits_of(spec, parameters, tokens)  # draws them
    exact, single = (run(spec, parameters.trainable(dtype), tokens, targets) for dtype in (torch.float64, torch.float32))
    tensors = {"tokens": tokens.flatten(), "targets": targets.flatten(), **parameters,
               **{f"gradient.{key}": value for key, value in exact["gradients"].items()},
               "logits": exact["logits"], "loss": torch.tensor([exact["loss"]]), "norm": torch.tensor([exact["norm"]]),
               "losses": torch.tensor(exact["losses"], dtype=torch.float64),
               **({"rates": torch.tensor(exact["rates"], dtype=torch.float64)} if exact["rates"] else {})}
    off = dict(logits=(exact["logits"] - single["logits"]).abs().max().item(),
               gradients=max((exact["gradients"][key] - single["gradients"][key]).abs().max().item() for key in parameters),
               losses=max(abs(a - b) for a, b in zip(exact["losses"], single["losses"])))
    return tensors, off, exact["losses"]


def safetensors(tensors):
    """The file's bytes: u64 length of the header, header as JSON, data. https://github.com/huggingface/safetensors"""
    header, data = {}, b""
    for name, value in tensors.items():
        dtype, array = ("I32", value.to(torch.int32)) if value.dtype == torch.int64 else ("F32", value.to(torch.float32))
        raw = array.contiguous().numpy().tobytes()
        header[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def main():
    parser = argparse.ArgumentParser(description="Writes the fixtures of the parity test.")
    parser.add_argument("names", nargs="*", help="default: all")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    arguments = parser.parse_args()
    check = arguments.check
    torch.set_num_threads(1)
    for name in arguments.names or SPECS:
        tensors, off, losses = fixture(name)
        assert off["losses"] < 1e-6, f"{name}: a gradient too close to zero, take another seed"
        file, content = HERE / "fixtures" / f"{name}.safetensors", safetensors(tensors)
        if check:
            if file.read_bytes() != content:
                raise SystemExit(f"{file} is not what this script writes")
        else:
            file.write_bytes(content)
        print(f"{name:14} {len(content) / 1e3:6.1f} kB   loss {losses[0]:.4f} -> {losses[-1]:.4f}   norm {tensors['norm'].item():.3f}   "
              + "   ".join(f"f32 {key} off by {value:.1e}" for key, value in off.items()))


if __name__ == "__main__":
    main()
