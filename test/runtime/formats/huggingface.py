"""Logits of a Hugging Face folder in plain PyTorch, from its config.json and model.safetensors alone: GPT-2, Llama, Mistral, Mixtral, Qwen 2 and 3.

    python3 huggingface.py DIR 1,2,3      JSON: [ids, vocab]

The equations are those of the papers and of the configurations' documentation; no library of models is needed.
"""
import json
import math
import struct
import sys

import torch
import torch.nn.functional as F


def load(path):
    """Name -> tensor. 8 bytes of length, JSON, data (huggingface.co/docs/safetensors)."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    types = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        out[name] = torch.frombuffer(data[begin:end], dtype=types[entry["dtype"]]).reshape(entry["shape"]).float()
    return out


def attend(q, k, v, window=None):
    """q [H, T, D], k and v [H, T, D], causal. window: positions that a query sees, its own included."""
    t = q.shape[1]
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[2])
    unseen = torch.triu(torch.ones(t, t, dtype=torch.bool), 1)
    if window is not None:
        unseen = unseen | torch.tril(torch.ones(t, t, dtype=torch.bool), -window)
    scores = scores.masked_fill(unseen, float("-inf"))
    return torch.softmax(scores, -1) @ v


def gpt2(c, w, ids):
    g = lambda name: w["transformer." + name]
    width, heads = c["n_embd"], c["n_head"]
    act = {"gelu_new": lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), "gelu": F.gelu, "relu": F.relu}[c["activation_function"]]
    norm = lambda x, name: F.layer_norm(x, (width,), g(name + ".weight"), g(name + ".bias"), c["layer_norm_epsilon"])
    conv = lambda x, name: x @ g(name + ".weight") + g(name + ".bias")
    x = g("wte.weight")[ids] + g("wpe.weight")[: len(ids)]
    for i in range(c["n_layer"]):
        q, k, v = (p.reshape(len(ids), heads, width // heads).transpose(0, 1) for p in conv(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn").split(width, 1))
        x = x + conv(attend(q, k, v).transpose(0, 1).reshape(len(ids), width), f"h.{i}.attn.c_proj")
        x = x + conv(act(conv(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")), f"h.{i}.mlp.c_proj")
    head = g("wte.weight") if c["tie_word_embeddings"] else w["lm_head.weight"]
    return norm(x, "ln_f") @ head.T


def frequencies(c, d):
    f = [c["rope_theta"] ** (-2 * i / d) for i in range(d // 2)]
    s = c.get("rope_scaling")
    if not s:
        return torch.tensor(f, dtype=torch.float64)
    if s["rope_type"] == "linear":
        return torch.tensor(f, dtype=torch.float64) / s["factor"]
    assert s["rope_type"] == "llama3"
    out = []
    for x in f:
        wavelength = 2 * math.pi / x
        low, high = s["original_max_position_embeddings"] / s["low_freq_factor"], s["original_max_position_embeddings"] / s["high_freq_factor"]
        if wavelength < high:
            out.append(x)
        elif wavelength > low:
            out.append(x / s["factor"])
        else:
            smooth = (s["original_max_position_embeddings"] / wavelength - s["low_freq_factor"]) / (s["high_freq_factor"] - s["low_freq_factor"])
            out.append((1 - smooth) * x / s["factor"] + smooth * x)
    return torch.tensor(out, dtype=torch.float64)


def windows(c):
    """Of each layer: how many positions its attention sees, None: all."""
    layers, window = c["num_hidden_layers"], c.get("sliding_window")
    if c["model_type"] == "mistral":
        return [window] * layers
    if not c.get("use_sliding_window"):
        return [None] * layers
    kinds = c.get("layer_types") or ["sliding_attention" if i >= c["max_window_layers"] else "full_attention" for i in range(layers)]
    return [window if kind == "sliding_attention" else None for kind in kinds]


def biases(c):
    """Of q, k and v; of o; of the feed-forward part."""
    if c["model_type"] == "qwen2":
        return True, False, False
    attention = c.get("attention_bias", False)
    return attention, attention, c.get("mlp_bias", False)


def mixtral_experts(c, g, p, h):
    """Jiang et al. 2024, equation 1: softmax over all experts, the largest few of it, divided by their sum. Token by token."""
    rows = []
    for row in h:
        probabilities, chosen = torch.softmax(row @ g(p + "gate.weight").T, -1).topk(c["num_experts_per_tok"])
        total = 0
        for weight, e in zip(probabilities / probabilities.sum(), chosen.tolist()):
            w1, w2, w3 = (g(f"{p}experts.{e}.w{n}.weight") for n in (1, 2, 3))
            total = total + weight * ((F.silu(row @ w1.T) * (row @ w3.T)) @ w2.T)
        rows.append(total)
    return torch.stack(rows)


def llama(c, w, ids):
    g = lambda name: w["model." + name]
    heads, kv, d, t = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"], len(ids)
    norm = lambda x, name: x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + c["rms_norm_eps"]) * g(name + ".weight")
    angles = torch.arange(t, dtype=torch.float64)[:, None] * frequencies(c, d)[None]
    cos, sin = (torch.cat([a, a], -1).float() for a in (angles.cos(), angles.sin()))
    turn = lambda x: x * cos + torch.cat([-x[..., d // 2 :], x[..., : d // 2]], -1) * sin  # halves, as in this form
    split = lambda x, n: x.reshape(t, n, d).transpose(0, 1)
    linear = lambda x, name, biased: x @ g(name + ".weight").T + (g(name + ".bias") if biased else 0)
    of_qkv, of_o, of_mlp = biases(c)
    x = g("embed_tokens.weight")[ids]
    for i in range(c["num_hidden_layers"]):
        p, h = f"layers.{i}.", norm(x, f"layers.{i}.input_layernorm")
        q, k, v = (split(linear(h, f"{p}self_attn.{n}_proj", of_qkv), count) for n, count in (("q", heads), ("k", kv), ("v", kv)))
        if c["model_type"] == "qwen3":
            q, k = norm(q, p + "self_attn.q_norm"), norm(k, p + "self_attn.k_norm")
        q, k = turn(q), turn(k)
        k, v = (a.repeat_interleave(heads // kv, 0) for a in (k, v))
        x = x + linear(attend(q, k, v, windows(c)[i]).transpose(0, 1).reshape(t, heads * d), p + "self_attn.o_proj", of_o)
        h = norm(x, p + "post_attention_layernorm")
        if c["model_type"] == "mixtral":
            x = x + mixtral_experts(c, g, p + "block_sparse_moe.", h)
            continue
        x = x + linear(F.silu(linear(h, p + "mlp.gate_proj", of_mlp)) * linear(h, p + "mlp.up_proj", of_mlp), p + "mlp.down_proj", of_mlp)
    head = g("embed_tokens.weight") if c["tie_word_embeddings"] else w["lm_head.weight"]
    return norm(x, "norm") @ head.T


def main(folder, ids):
    config = json.load(open(folder + "/config.json"))
    logits = {"gpt2": gpt2, "llama": llama, "mistral": llama, "mixtral": llama, "qwen2": llama, "qwen3": llama}[config["model_type"]](config, load(folder + "/model.safetensors"), torch.tensor(ids))
    print(json.dumps(logits.tolist()))


if __name__ == "__main__":
    main(sys.argv[1], [int(i) for i in sys.argv[2].split(",")])
