"""
AdamW with moments in 8 bits in PyTorch, written down from the equations of runtime/contract/moment-codes.ts
and of its papers: what the kernel adamw8 has to agree with, bit for bit.

    /usr/bin/python3 test/parity/adamw8.py            writes fixtures/adamw8.safetensors
    /usr/bin/python3 test/parity/adamw8.py --check    compares the file with what it would write

Two blocks of 256 numbers, with gradients of very different sizes and some that are zero; three steps. A
tensor of floats is rounded to float32 after every operation.

    p [2, 256]                            before the first step
    <step>.g  <step>.norm [1]             the gradient, and the length of all gradients
    <step>.p  <step>.m  <step>.v [2, 256] after it: parameters, codes of m and of the root of v
    <step>.m_scale  <step>.v_scale [2]
"""
import argparse

import torch

from fixtures import HERE, safetensors

HYPER = {"lr": 1e-2, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "decay": 0.1, "clip": 1.0}
BLOCKS, BLOCK, STEPS = 2, 256, 3
PLACE, STEP = 0xC13FA9A9, 0x91E10DA5  # Roberts' R2 sequence, times 2^32
FILE = HERE / "fixtures" / "adamw8.safetensors"


# bits of the fraction, whether codes have signs, and how many steps the first code stands for
FORMATS = {"m": (4, True, 0), "v": (5, False, 1)}


def thresholds(step: int, fraction: int) -> torch.Tensor:
    """0 ... 1, in units of the bits of a float32 that a code leaves out; float64, as all exact numbers."""
    places = [(place * PLACE + step * STEP) % 2**32 >> (9 + fraction) for place in range(BLOCKS * BLOCK)]
    return torch.tensor(places, dtype=torch.float64).reshape(BLOCKS, BLOCK) / 2 ** (23 - fraction)


def book(fraction: int, signed: bool, first: int) -> torch.Tensor:
    """What codes stand for: floats with 3 bits of exponent, less the first of them, in float32."""
    sizes = [2.0 ** (e - 7) * (1 + k / 2**fraction) - 2.0**-7 for e in range(8) for k in range(2**fraction)]
    sizes = [size + first * 2.0 ** (-7 - fraction) for size in sizes]
    return torch.tensor(sizes + [-size for size in sizes] if signed else sizes, dtype=torch.float32)


def units(name: str, codes: torch.Tensor) -> torch.Tensor:
    """What codes stand for, before it is multiplied by the scale of the block."""
    return book(*FORMATS[name])[codes]


def encode(name: str, values: torch.Tensor, step: int):
    fraction, signed, first = FORMATS[name]
    sizes = book(fraction, False, first)
    scale = values.abs().max(dim=1).values / (sizes[-1] - 2.0**-18)
    inverse = torch.where(scale > 0, 1 / scale, torch.zeros(()))
    offset = torch.tensor(2.0**-7 - first * 2.0 ** (-7 - fraction), dtype=torch.float32)
    counted = ((values * inverse[:, None]).abs() + offset).double()
    mantissa, exponent = torch.frexp(counted)  # counted = 2 mantissa * 2^(exponent - 1)
    steps = (exponent.double() + 6 + 2 * mantissa - 1) * 2**fraction
    codes = (steps + thresholds(step, fraction)).floor().clamp(0, len(sizes) - 1).long()
    return (codes + 128 * torch.signbit(values).long() if signed else codes), scale


def update(p, g, norm, m, v, step: int):
    """One step; m and v are (codes, scale)."""
    f32 = {name: torch.tensor(value, dtype=torch.float32) for name, value in HYPER.items()}
    lr, beta1, beta2 = f32["lr"], f32["beta1"], f32["beta2"]
    correction1 = torch.tensor(1 / (1 - HYPER["beta1"] ** step), dtype=torch.float32)
    correction2 = torch.tensor(1 / (1 - HYPER["beta2"] ** step), dtype=torch.float32)
    g = g * torch.clamp(f32["clip"] / (norm + torch.tensor(1e-6)), max=1)
    (m_codes, m_scale), (v_codes, v_scale) = m, v
    m = units("m", m_codes) * (m_scale * beta1)[:, None] + g * (1 - beta1)
    squares = units("v", v_codes) ** 2 * (v_scale * v_scale * beta2)[:, None]
    root = (squares + g * g * (1 - beta2)).sqrt()
    rate, eps = lr * correction1 / correction2.sqrt(), f32["eps"] / correction2.sqrt()
    p = p * (1 - lr * f32["decay"]) - rate * m / (root + eps)
    return p, encode("m", m, step), encode("v", root, step)


def tensors():
    generator = torch.Generator().manual_seed(1)
    shape = (BLOCKS, BLOCK)
    p = torch.randn(shape, generator=generator)
    found = {"p": p}
    zeros = (torch.zeros(shape, dtype=torch.int64), torch.zeros(BLOCKS))
    m, v = zeros, zeros
    for step in range(1, STEPS + 1):
        sizes = torch.exp(6 * torch.rand(shape, generator=generator) - 6)
        g = torch.randn(shape, generator=generator) * sizes * (torch.rand(shape, generator=generator) > 0.1)
        norm = g.norm().reshape(1)
        p, m, v = update(p, g, norm, m, v, step)
        found |= {f"{step}.{name}": value for name, value in {"g": g, "norm": norm, "p": p}.items()}
        found |= {f"{step}.m": m[0], f"{step}.m_scale": m[1], f"{step}.v": v[0], f"{step}.v_scale": v[1]}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    written = safetensors(tensors())
    if not parser.parse_args().check:
        FILE.write_bytes(written)
    elif FILE.read_bytes() != written:
        raise SystemExit(f"{FILE} is not what this program writes")
