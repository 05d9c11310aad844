"""
The native peer: what PyTorch does with the same work on the same machine, written as well as its version allows: torch 2
has fused attention (scaled_dot_product_attention) and a fused AdamW, torch 1.13 has products in batches and updates by
tensor lists ("foreach"). --attention and --adamw name another way; each answer says which it was.

    /usr/bin/python3 bench/peers/pytorch.py sgemm 256x768x3072 … --threads 1,2        GFLOP/s of [M,K] x [K,N]
    /usr/bin/python3 bench/peers/pytorch.py train S M gpt2 --threads 1,2              tok/s of whole training steps
    … --json        one JSON object instead of lines
    /usr/bin/python3 bench/peers/pytorch.py lora gpt2:4x256:8        tok/s of steps of adapters: batch, context, rank
    /usr/bin/python3 bench/peers/pytorch.py serve                                      requests as lines of JSON, as bench/peers/serve.ts has them
    … --within 20   no step begins after so many seconds, warm-up included; where none was timed by then, the last one counts
    … --auto-core   lets OpenBLAS find the core type itself (unsets OPENBLAS_CORETYPE)
    … --plain       leaves glibc's malloc as it is. Otherwise freed memory is kept for the next step: giving it back and faulting it in
                    again costs GPT-2 124M two thirds of its speed, and a peer should be at its best.
"""
import argparse
import ctypes
import functools
import json
import math
import os
import pathlib
import statistics
import sys
import time

KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "16000000000"}
environment = {**os.environ, **({} if "--plain" in sys.argv else KEEP_MEMORY)}
if "--auto-core" in sys.argv:
    environment.pop("OPENBLAS_CORETYPE", None)
if environment != dict(os.environ):
    os.execve(
        sys.executable, [sys.executable, *sys.argv], environment
    )  # both are read before main: start over

import torch
import torch.nn.functional as F

# name -> nanoGPT's configurations (no bias, exact gelu, tied) and GPT-2 (biases, tanh gelu)
SIZES = {
    "S": dict(layers=4, heads=4, width=128, context=64, batch=12, vocab=65, bias=False, gelu="none"),
    "M": dict(layers=6, heads=6, width=384, context=256, batch=8, vocab=65, bias=False, gelu="none"),
    "gpt2": dict(
        layers=12,
        heads=12,
        width=768,
        context=64,
        batch=4,
        vocab=50257,
        bias=True,
        gelu="tanh",
        positions=1024,
    ),
}


def option(name, otherwise):
    """An option of the command line that is needed before it is parsed."""
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else otherwise


# what was faster where both were measured (EXPERIMENTS.md): "best" of the version
HAS_FUSED = int(torch.__version__.split(".")[0]) >= 2
ATTENTION = option("--attention", "fused" if HAS_FUSED else "batched")
ADAMW = option("--adamw", "fused" if HAS_FUSED else "foreach")


# how it trains, for people
TRAINS = ("scaled_dot_product_attention" if ATTENTION == "fused" else "attention by bmm") + f", {ADAMW} AdamW"


def adamw(groups, **settings):
    return torch.optim.AdamW(groups, **settings, **{ADAMW: True})


def blas():
    """The BLAS that torch has loaded, and the core type that its kernels are for."""
    for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
        path = line.split()[-1]
        if "blas" in path.lower():
            try:
                library = ctypes.CDLL(path)
                library.openblas_get_corename.restype = ctypes.c_char_p
                library.openblas_get_config.restype = ctypes.c_char_p
                return dict(
                    config=library.openblas_get_config().decode(),
                    core=library.openblas_get_corename().decode(),
                )
            except (OSError, AttributeError):
                continue
    chosen = getattr(torch.backends, "cpu", None)  # PyTorch's own builds have MKL, which picks kernels by itself
    return dict(
        config="MKL" if torch.backends.mkl.is_available() else "unknown BLAS",
        core=chosen.get_cpu_capability() if chosen else "unknown",
    )


# OpenBLAS's core types and the vectors of their kernels
VECTORS = dict(Haswell="AVX2", Zen="AVX2", SkylakeX="AVX-512", Cooperlake="AVX-512", Sapphirerapids="AVX-512")


def vectors(core):
    """The widest vectors of its products: OpenBLAS says its core type, other builds what ATen has chosen."""
    if core in VECTORS:
        return VECTORS[core]
    chosen = getattr(torch.backends, "cpu", None)
    return chosen and chosen.get_cpu_capability().replace("AVX512", "AVX-512")


class GPT(torch.nn.Module):
    def __init__(self, layers, heads, width, context, batch, vocab, bias, gelu, positions=None):
        super().__init__()
        self.heads, self.gelu = heads, gelu
        self.token = torch.nn.Embedding(vocab, width)
        self.position = torch.nn.Embedding(positions or context, width)
        linear = lambda columns, rows: torch.nn.Linear(columns, rows, bias=bias)
        norm = lambda: torch.nn.ParameterList([torch.ones(width)] + ([torch.zeros(width)] if bias else []))
        self.layers = torch.nn.ModuleList(
            torch.nn.ModuleDict(
                dict(
                    norm1=norm(),
                    qkv=linear(width, 3 * width),
                    out=linear(width, width),
                    norm2=norm(),
                    up=linear(width, 4 * width),
                    down=linear(4 * width, width),
                )
            )
            for _ in range(layers)
        )
        self.last = norm()
        for p in self.parameters():
            if p.dim() >= 2:
                torch.nn.init.normal_(p, std=0.02)
        self.register_buffer("ahead", torch.full((context, context), -math.inf).triu(1), persistent=False)
        self.register_buffer("places", torch.arange(context), persistent=False)

    def norm(self, x, parameters):
        return (
            F.layer_norm(x, x.shape[-1:], *parameters, eps=1e-5)
            if len(parameters) == 2
            else F.layer_norm(x, x.shape[-1:], parameters[0], None, 1e-5)
        )

    def attention(self, x, layer):
        B, T, C = x.shape
        q, k, v = layer["qkv"](x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if ATTENTION == "fused":
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, C)
            return layer["out"](mixed)
        q, k, v = (t.reshape(B * self.heads, T, -1) for t in (q, k, v))
        scores = torch.baddbmm(
            self.ahead, q, k.transpose(1, 2), alpha=1 / math.sqrt(C // self.heads)
        )  # mask and scale in one pass
        mixed = torch.bmm(scores.softmax(-1), v).view(B, self.heads, T, -1).transpose(1, 2).reshape(B, T, C)
        return layer["out"](mixed)

    def forward(self, tokens, targets):
        x = self.token(tokens) + self.position(self.places)
        for layer in self.layers:
            x = x + self.attention(self.norm(x, layer["norm1"]), layer)
            x = x + layer["down"](F.gelu(layer["up"](self.norm(x, layer["norm2"])), approximate=self.gelu))
        logits = F.linear(self.norm(x, self.last), self.token.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def durations(run, seconds, within=None):
    """
    Of each run after the first two: for `seconds`, and at least five; but fewer where a busy machine makes five last too
    long. `within`: no run begins after so many seconds in all; where none was timed by then, the last one counts.
    """
    start = time.perf_counter()
    late = lambda: within is not None and time.perf_counter() - start >= within
    warm, times = [], []

    def timed(into):
        began = time.perf_counter()
        run(len(warm) + len(times))
        into.append(time.perf_counter() - began)

    while not warm or len(warm) < 2 and not late():
        timed(warm)
    began = time.perf_counter()
    while not late():
        spent = time.perf_counter() - began
        if spent >= seconds and (len(times) >= 5 or spent >= 6 * seconds + 5):
            break
        timed(times)
    return times or warm[-1:]


def rates(work, times):
    """Work per second. On a machine with other tenants the best run says more than the median."""
    return dict(
        median=work / statistics.median(times),
        mean=work * len(times) / sum(times),
        best=work / min(times),
        runs=len(times),
    )


def train_rate(size, seconds, within=None):
    """Tokens per second: median over whole steps (forward, backward, clip, AdamW), after warm-up."""
    spec = SIZES[size]
    torch.manual_seed(1)
    model = GPT(**spec)
    matrices, vectors = (
        [p for p in model.parameters() if (p.dim() >= 2) == wanted] for wanted in (True, False)
    )
    optimizer = adamw(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        lr=1e-3,
        betas=(0.9, 0.99),
    )
    shape = (spec["batch"], spec["context"])
    batches = [(torch.randint(spec["vocab"], shape), torch.randint(spec["vocab"], shape)) for _ in range(8)]

    def step(i):
        optimizer.zero_grad(set_to_none=True)
        loss = model(*batches[i % 8])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return rates(spec["batch"] * spec["context"], durations(step, seconds, within))


class Adapted(torch.nn.Module):
    """A linear map that stays as it is, and an adapter beside it (LoRA, Hu et al. 2021)."""

    def __init__(self, base, rank):
        super().__init__()
        self.base = base
        self.a = torch.nn.Parameter(
            torch.empty(base.in_features, rank).uniform_(-1, 1) / math.sqrt(base.in_features)
        )
        self.b = torch.nn.Parameter(torch.zeros(rank, base.out_features))

    def forward(self, x):
        flat = x.flatten(0, -2)  # addmm: the scale and the sum in the product
        return torch.addmm(self.base(flat), flat @ self.a, self.b, alpha=2).view(*x.shape[:-1], -1)


@functools.cache  # a model that is asked for by turns is made once
def lora_step(which):
    """
    A training step of adapters on queries, keys, values and attention's output; the base is f32.
    "gpt2:4x256:8": batch, context, rank.
    """
    size, shape, rank = which.split(":")
    batch, context = map(int, shape.split("x"))
    spec = {**SIZES[size], "batch": batch, "context": context}
    torch.manual_seed(1)
    model = GPT(**spec).requires_grad_(False)
    for layer in model.layers:
        for name in ("qkv", "out"):
            layer[name] = Adapted(layer[name], int(rank))
    adapters = [p for p in model.parameters() if p.requires_grad]
    optimizer = adamw(adapters, lr=1e-4, weight_decay=0.0)
    batches = [tuple(torch.randint(spec["vocab"], (batch, context)) for _ in range(2)) for _ in range(8)]

    def step(i):
        optimizer.zero_grad(set_to_none=True)
        loss = model(*batches[i % 8])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(adapters, 1.0)
        optimizer.step()
        return loss.item()

    return batch * context, step


def lora_rate(which, seconds, within=None):
    tokens, step = lora_step(which)
    return rates(tokens, durations(step, seconds, within))


def sgemm_rate(which, seconds, within=None):
    """GFLOP/s of the best-known call: torch.mm into a tensor that is there. "nt:MxKxN": b is stored [N,K]; "tn:": a is stored [K,M]."""
    form, _, sizes = which.rpartition(":")
    M, K, N = map(int, sizes.split("x"))
    a = torch.randn(K, M).t() if form == "tn" else torch.randn(M, K)
    b = torch.randn(N, K).t() if form == "nt" else torch.randn(K, N)
    c = torch.empty(M, N)
    return rates(2 * M * K * N / 1e9, durations(lambda i: torch.mm(a, b, out=c), seconds, within))


MEASURES = dict(sgemm=sgemm_rate, train=train_rate, lora=lora_rate)


def serve():
    """Answers {"what", "which", "threads", "seconds"} with {"rates": [...]}, line by line. The first line says what this is."""
    core = blas()
    library = " ".join(core["config"].split()[:2])  # "OpenBLAS 0.3.21"
    malloc = "plain malloc" if "--plain" in sys.argv else "malloc keeps freed memory"
    about = dict(about=f"torch {torch.__version__}, {library} ({core['core']}), {malloc}, {TRAINS}")
    if vectors(core["core"]):
        about["vectors"] = vectors(core["core"])
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            torch.set_num_threads(request["threads"])
            measure = MEASURES[request["what"]]
            answer = dict(rates=[measure(request["which"], request["seconds"], request.get("within"))])
        except Exception as error:
            answer = dict(error=f"{type(error).__name__}: {error}")
        print(json.dumps(answer), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Measures PyTorch on this machine.")
    parser.add_argument("what", choices=[*MEASURES, "serve"])
    parser.add_argument(
        "which",
        nargs="*",
        help="sgemm: MxKxN, nt:MxKxN, tn:MxKxN; lora: gpt2:4x256:8; train: " + " ".join(SIZES),
    )
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=4.0, help="per measurement")
    parser.add_argument("--within", type=float, help="seconds after which no step begins")
    parser.add_argument("--attention", choices=["fused", "batched"], default=ATTENTION)
    parser.add_argument("--adamw", choices=["fused", "foreach"], default=ADAMW)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--auto-core", action="store_true")
    parser.add_argument("--plain", action="store_true")
    args = parser.parse_args()
    if args.what == "serve":
        return serve()
    if not args.which:
        parser.error("say which")
    results = []
    for threads in map(int, args.threads.split(",")):
        torch.set_num_threads(threads)
        for which in args.which:
            rate = MEASURES[args.what](which, args.seconds, args.within)
            unit = "GFLOP/s" if args.what == "sgemm" else "tok/s"
            results.append(dict(what=args.what, which=which, threads=threads, unit=unit, **rate))
            if not args.json:
                print(
                    f"{args.what} {which:16} {threads} thread{'s' if threads > 1 else ' '}  {rate['median']:10.1f} {unit}   "
                    f"best {rate['best']:10.1f}   {rate['runs']} runs",
                    flush=True,
                )
    about = dict(torch=torch.__version__, blas=blas(), trains=TRAINS, malloc="plain" if args.plain else "keeps freed memory")
    print(
        json.dumps(dict(**about, results=results))
        if args.json
        else f"torch {about['torch']}, {about['blas']['config']}, core type {about['blas']['core']}, {TRAINS}"
    )


if __name__ == "__main__":
    main()
