"""What one GPU computes: fp32 beside Sinter's numbers, bf16 beside fp32; and, on a CPU too, Hugging Face's
models beside the program. python numerics.py exact|curve|witness PROGRAMS
"""
import json
import pathlib
import sys

import torch

import rows

NORM_EPS = 1e-5
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def program(folder):
    """The program's modules; those of another program are forgotten."""
    for name in ("model", "weights", "train", "parallel", "test_parity"):
        sys.modules.pop(name, None)
    sys.path.insert(0, str(folder))
    import test_parity

    sys.path.pop(0)
    return test_parity


def model_of(folder, device=None):
    """The program's sizes and its model, without weights; its modules are there from now on."""
    program(folder)
    sizes = json.loads((folder / "model.json").read_text())
    return sizes, sys.modules["model"].LanguageModel(sizes, device=device)


def far(got, wanted):
    got, wanted = got.double().cpu(), wanted.double().cpu()
    return float((got - wanted).abs().max() / wanted.abs().max())


def exact(programs):
    """fp32 with full products: the logits that Sinter has."""
    torch.backends.cuda.matmul.allow_tf32 = False
    for name in ("gpt2", "shared"):
        parity = program(programs / name)
        tokens, _ = parity.batch()
        model = parity.fresh(torch.float32).cuda()
        with torch.no_grad():
            logits = model(tokens.cuda())
        distance = far(logits, parity.FOUND["logits"].view_as(logits))
        rows.put("exact", f"{name}: logits in fp32", distance, most=1e-4)


STEPS, LAST = 200, 20


def learn(parity, half):
    """The mean loss of the last steps on texts in which four tokens may follow each: ln 4 at best."""
    import parallel
    import train

    given = parity.Given()
    given.compile = half
    spread = parallel.Single(given, torch.device("cuda"))
    t = {**parity.SIZES["parity"], "lr": 3e-3}
    model = spread.wrap(parity.fresh(torch.float32).cuda())
    optimizer = train.make_optimizer(model, t, spread.device)
    autocast = (lambda: torch.autocast("cuda", dtype=torch.bfloat16)) if half else None
    noise = torch.Generator().manual_seed(1)
    vocab, losses = parity.SIZES["vocab"], []
    for _ in range(STEPS):
        text = torch.randint(vocab, (32, 1), generator=noise)
        for _ in range(32):
            step = torch.randint(4, (32, 1), generator=noise)
            text = torch.cat([text, (5 * text[:, -1:] + 7 + step) % vocab], dim=1)
        batch = text[:, :-1].cuda(), text[:, 1:].cuda()
        losses.append(train.train_step(model, optimizer, [batch], t, t["lr"], spread, 1, autocast)[0])
    return sum(losses[-LAST:]) / LAST


def curve(programs):
    full, half = (learn(program(programs / "shared"), half) for half in (False, True))
    rows.put("curve", f"loss after {STEPS} steps: bf16, compiled, less fp32", abs(half - full), most=0.02)


# ---- the same weights in Hugging Face's models


def sizes_of(folder):
    sizes = json.loads((folder / "model.json").read_text())
    parts = sizes["parts"].values()
    attention = next(part for part in parts if "head_dim" in part)
    block = next(part for part in parts if "hidden" in part)
    return sizes, attention, block


def common(sizes, attention, block, config):
    """What Llama and Mixtral call their sizes; rope under the name that this release has for it."""
    rope = {key: value for key, value in attention["rope"].items() if key not in ("theta", "linear")}
    scaled = {
        "rope_type": "llama3",
        "factor": rope.get("factor"),
        "low_freq_factor": rope.get("low"),
        "high_freq_factor": rope.get("high"),
        "original_max_position_embeddings": rope.get("original"),
    }
    theta, kind = attention["rope"]["theta"], scaled if rope else {"rope_type": "default"}
    ropes = {"rope_theta": theta, "rope_scaling": scaled if rope else None}
    if hasattr(config(), "rope_parameters"):
        ropes = {"rope_parameters": {**kind, "rope_theta": theta}}
    return {
        "vocab_size": sizes["vocab"],
        "hidden_size": sizes["width"],
        "intermediate_size": block["hidden"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": attention["heads"],
        "num_key_value_heads": attention["kv_heads"],
        "head_dim": attention["head_dim"],
        "max_position_embeddings": sizes["context"],
        "rms_norm_eps": NORM_EPS,
        "tie_word_embeddings": False,
        "attn_implementation": "eager",
        **ropes,
    }


def in_double(theirs):
    """Without dropout; experts one after the other: what has them in one product has no fp64."""
    if hasattr(theirs, "set_experts_implementation"):
        theirs.set_experts_implementation("eager")
    return theirs.eval().double()


def llama(folder, state):
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**common(*sizes_of(folder), LlamaConfig))), state


def mixtral(folder, state):
    """Experts' matrices stand together or one by one, as this release has them."""
    from transformers import MixtralConfig, MixtralForCausalLM

    sizes, attention, block = sizes_of(folder)
    config = common(sizes, attention, block, MixtralConfig)
    experts = {"num_local_experts": block["count"], "num_experts_per_tok": block["top"]}
    model = MixtralForCausalLM(MixtralConfig(**config, **experts, sliding_window=None))
    return model, as_mixtral(state, sizes["layers"], set(model.state_dict()))


def as_mixtral(state, layers, wanted):
    """`wanted`: the names of Hugging Face's model."""
    named = {name: tensor for name, tensor in state.items() if ".mlp." not in name}
    for layer in range(layers):
        stem = f"model.layers.{layer}"
        gate, up, down, router = (
            state[f"{stem}.mlp.{which}"] for which in ("gate_proj", "up_proj", "down_proj", "router.weight")
        )
        home = next(home for home in ("mlp", "block_sparse_moe") if f"{stem}.{home}.gate.weight" in wanted)
        named[f"{stem}.{home}.gate.weight"] = router
        if f"{stem}.{home}.experts.gate_up_proj" in wanted:
            named[f"{stem}.{home}.experts.gate_up_proj"] = torch.cat([gate, up], dim=1)
            named[f"{stem}.{home}.experts.down_proj"] = down
            continue
        for which, matrices in (("w1", gate), ("w2", down), ("w3", up)):
            for i, matrix in enumerate(matrices):
                named[f"{stem}.{home}.experts.{i}.{which}.weight"] = matrix
    return named


def gpt2(folder, state):
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes, attention, _ = sizes_of(folder)
    config = GPT2Config(
        vocab_size=sizes["vocab"],
        n_positions=sizes["context"],
        n_embd=sizes["width"],
        n_layer=sizes["layers"],
        n_head=attention["heads"],
        activation_function="gelu_new",
        layer_norm_epsilon=NORM_EPS,
        attn_implementation="eager",
    )
    return GPT2LMHeadModel(config), as_gpt2(state, sizes["layers"])


def as_gpt2(state, layers):
    """Hugging Face's GPT-2 has [in, out] matrices, and queries, keys and values in one."""
    table = state["model.embed_tokens.weight"]
    named = {
        "transformer.wte.weight": table,
        "lm_head.weight": table,
        "transformer.wpe.weight": state["model.embed_positions.weight"],
    }
    maps = {"self_attn.o_proj": "attn.c_proj", "mlp.up_proj": "mlp.c_fc", "mlp.down_proj": "mlp.c_proj"}
    norms = {"input_layernorm": "ln_1", "post_attention_layernorm": "ln_2"}
    for kind in ("weight", "bias"):
        named[f"transformer.ln_f.{kind}"] = state[f"model.norm.{kind}"]
        for layer in range(layers):
            here, there = f"model.layers.{layer}", f"transformer.h.{layer}"
            joined = torch.cat([state[f"{here}.self_attn.{which}_proj.{kind}"] for which in "qkv"])
            named[f"{there}.attn.c_attn.{kind}"] = joined.t()  # of a bias: as it is
            for ours, theirs in maps.items():
                named[f"{there}.{theirs}.{kind}"] = state[f"{here}.{ours}.{kind}"].t()
            for ours, theirs in norms.items():
                named[f"{there}.{theirs}.{kind}"] = state[f"{here}.{ours}.{kind}"]
    return named


LONGEST, COMPARED = 4400, 256


def apart(sizes, ours, theirs):
    """How far logits are from each other in fp64, at the last positions of a text as long as the model's, or
    longer than 4096; and how long it is.
    """
    length = min(sizes["context"], LONGEST)
    tokens = torch.randint(sizes["vocab"], (1, length), generator=torch.Generator().manual_seed(1)).to(DEVICE)
    with torch.no_grad():
        got = ours.double().to(DEVICE)(tokens)
        wanted = in_double(theirs).to(DEVICE)(tokens).logits
    return far(got[:, -COMPARED:], wanted[:, -COMPARED:]), length


WITNESSES = {"witness-gpt2": gpt2, "witness-llama": llama, "witness-mixtral": mixtral}


def witness(programs):
    """Logits in fp64 of our file in their model; Llama's beyond position 4096."""
    try:
        import transformers
    except ImportError:
        for name in WITNESSES:
            rows.skip("witness", name, "there is no transformers")
        return
    for name, make in WITNESSES.items():
        sizes, ours = model_of(programs / name)
        sys.modules["weights"].begin(ours, 1)
        state = {key: value.clone() for key, value in sys.modules["weights"].state(ours).items()}
        theirs, named = make(programs / name, state)
        missing, unknown = theirs.load_state_dict(named, strict=False)
        if missing or unknown:
            release = transformers.__version__
            raise SystemExit(f"{name}: transformers {release} misses {missing}, has no {unknown}")
        distance, length = apart(sizes, ours, theirs)
        what = f"{name}: logits of the last {COMPARED} of {length} positions"
        rows.put("witness", what, distance, most=1e-5)


if __name__ == "__main__":
    part = {"exact": exact, "curve": curve, "witness": witness}[sys.argv[1]]
    if DEVICE.type == "cuda" or part is witness:
        part(pathlib.Path(sys.argv[2]))
    else:
        rows.skip(sys.argv[1], "all of it", "there is no CUDA")
