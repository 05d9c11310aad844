"""What stories260K's mean loss on a text of stories is by PyTorch, from the .bin and the .tok alone: a second opinion on `sinter eval`.

    python3 stories_loss.py stories260K.bin tok512.bin tinystories.txt > stories260K-loss.json

The model file is llama2.c's legacy format (github.com/karpathy/llama2.c, export.py), the tokenizer its sentencepiece BPE (tokenizer.py).
Each story is stripped, begins with BOS, and the stories are one stream that is cut into windows of the context: as its pretokenize does.
"""
import json
import re
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def read_model(path):
    """Sizes, and tensors by name."""
    with open(path, "rb") as file:
        dim, hidden, layers, heads, kv, vocab, context = struct.unpack("<7i", file.read(28))
        data = torch.from_numpy(np.frombuffer(file.read(), dtype="<f4").copy())
    assert vocab > 0, "tied output only"
    head = dim // heads
    shapes = [("embed", (vocab, dim)), ("norm1", (layers, dim)), ("q", (layers, dim, dim)), ("k", (layers, kv * head, dim)), ("v", (layers, kv * head, dim)),
              ("o", (layers, dim, dim)), ("norm2", (layers, dim)), ("gate", (layers, hidden, dim)), ("down", (layers, dim, hidden)), ("up", (layers, hidden, dim)), ("norm", (dim,))]
    w, at = {}, 0
    for name, shape in shapes:
        size = int(np.prod(shape))
        w[name] = data[at : at + size].reshape(shape)
        at += size
    return dict(layers=layers, heads=heads, kv=kv, head=head, context=context), w


def read_tokenizer(path):
    """piece -> (id, score)"""
    with open(path, "rb") as file:
        file.read(4)
        pieces = {}
        while record := file.read(8):
            score, length = struct.unpack("<fi", record)
            pieces.setdefault(file.read(length), (len(pieces), score))
    return pieces


def encode(text, pieces, seen={}):
    """Characters (or their bytes), then the pair of the best score joined, again and again. No piece holds a space or a line's end behind its first
    character, so what stands between them is encoded for itself, and once."""
    ids = []
    for word in re.findall(r" [^ \n]*|[^ \n]+|\n", " " + text):
        if word not in seen:
            seen[word] = join([s for c in word for s in ([c.encode()] if c.encode() in pieces else [b"<0x%02X>" % b for b in c.encode()])], pieces)
        ids += seen[word]
    return ids


def join(symbols, pieces):
    while True:
        pairs = [(pieces[a + b][1], -i) for i, (a, b) in enumerate(zip(symbols, symbols[1:])) if a + b in pieces]
        if not pairs:
            return [pieces[s][0] for s in symbols]
        i = -max(pairs)[1]
        symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]


def logits(c, w, ids):
    """ids [B, T] -> [B, T, V]; rotary pairs are interleaved in this format."""
    b, t = ids.shape
    norm = lambda x, weight: x / torch.sqrt(x.square().mean(-1, keepdim=True) + 1e-5) * weight
    angles = torch.arange(t, dtype=torch.float64)[:, None] * 10000.0 ** (-torch.arange(0, c["head"], 2, dtype=torch.float64) / c["head"])
    turn = torch.polar(torch.ones_like(angles), angles).to(torch.complex64)[:, None]
    rope = lambda x: torch.view_as_real(torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2)) * turn).flatten(-2)
    mask = torch.triu(torch.full((t, t), float("-inf"), dtype=torch.float32), 1)
    x = w["embed"][ids]
    for i in range(c["layers"]):
        h = norm(x, w["norm1"][i])
        q = rope((h @ w["q"][i].T).reshape(b, t, c["heads"], c["head"]))
        k = rope((h @ w["k"][i].T).reshape(b, t, c["kv"], c["head"]))
        v = (h @ w["v"][i].T).reshape(b, t, c["kv"], c["head"])
        q, k, v = (y.transpose(1, 2) for y in (q, *(y.repeat_interleave(c["heads"] // c["kv"], 2) for y in (k, v))))
        y = torch.softmax(q @ k.transpose(2, 3) / c["head"] ** 0.5 + mask, -1) @ v
        x = x + y.transpose(1, 2).reshape(b, t, -1) @ w["o"][i].T
        h = norm(x, w["norm2"][i])
        x = x + (F.silu(h @ w["gate"][i].T) * (h @ w["up"][i].T)) @ w["down"][i].T
    return norm(x, w["norm"]) @ w["embed"].T


def mean_loss(c, w, tokens, context, batch=1):
    total, count = 0.0, len(tokens) - 1
    for first in range(0, count, batch * context):
        part = tokens[first : first + batch * context + 1]
        rows = len(part) // context if len(part) > context else 1
        for at, n in [(0, rows), (rows * context, 1)]:  # whole windows at once, then what is left
            end = min(at + n * context, len(part) - 1)
            if end <= at:
                continue
            shape = (n, -1) if (end - at) % n == 0 else (1, -1)
            x, y = (torch.tensor(part[at + d : end + d]).reshape(shape) for d in (0, 1))
            total += F.cross_entropy(logits(c, w, x).flatten(0, 1).double(), y.flatten(), reduction="sum").item()
    return dict(tokens=count, loss=total / count)


def main(model, vocabulary, corpus):
    (c, w), pieces = read_model(model), read_tokenizer(vocabulary)
    with open(corpus, encoding="utf-8", newline="") as file:
        stories = [s for s in (part.strip() for part in file.read().split("<|endoftext|>")) if s]
    loss = lambda part: mean_loss(c, w, [id for story in part for id in [1, *encode(story, pieces)]], c["context"])
    parts = dict(first50=stories[:50], first150=stories[:150], all=stories)
    with torch.no_grad():
        print(json.dumps({name: loss(part) for name, part in parts.items()}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
