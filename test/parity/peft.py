"""
Folders of adapters as PEFT 0.21 writes them, and what PEFT adds to the base's matrices: what Sinter has to
read. PEFT itself is not needed; names, shapes and keys are those of its documentation (peft docs,
"PEFT checkpoint format") and of folders that were published with it.

    /usr/bin/python3 test/parity/peft.py            writes fixtures/peft-<name>/
    /usr/bin/python3 test/parity/peft.py --check    compares the files with what it would write

    adapter_config.json        every key of LoraConfig, with its default where the folder says nothing else
    adapter_model.safetensors  lora_A [r, in], lora_B [out, r], tables that were trained whole
    added.safetensors          by the base's names: get_delta_weight, scale (B A); transposed where the class
                               keeps [in, out] (fan_in_fan_out)

The bases have a width of 16, 2 layers, 4 heads (Llama's 2 for keys and values), a hidden width of 20, and
32 tokens.
"""
import argparse
import json
import math

import torch

from fixtures import HERE, safetensors

WIDTH, KV, HIDDEN, LAYERS, VOCAB = 16, 8, 20, 2, 32
DEFAULTS = {
    "alora_invocation_tokens": None,
    "alpha_pattern": {},
    "arrow_config": None,
    "auto_mapping": None,
    "base_model_name_or_path": "someone/base",
    "bias": "none",
    "corda_config": None,
    "ensure_weight_tying": False,
    "eva_config": None,
    "exclude_modules": None,
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "kasa_config": None,
    "layer_replication": None,
    "layers_pattern": None,
    "layers_to_transform": None,
    "loftq_config": {},
    "lora_alpha": 8,
    "lora_bias": False,
    "lora_dropout": 0.0,
    "lora_ga_config": None,
    "megatron_config": None,
    "megatron_core": "megatron.core",
    "modules_to_save": None,
    "monteclora_config": None,
    "peft_type": "LORA",
    "peft_version": "0.21.2",
    "qalora_group_size": 16,
    "r": 8,
    "rank_pattern": {},
    "revision": None,
    "target_modules": None,
    "target_parameters": None,
    "task_type": "CAUSAL_LM",
    "trainable_token_indices": None,
    "use_bdlora": None,
    "use_dora": False,
    "use_qalora": False,
    "use_rslora": False,
    "velora_config": None,
}

# module -> [in, out]
GPT2 = {
    "attn.c_attn": (WIDTH, 3 * WIDTH),
    "attn.c_proj": (WIDTH, WIDTH),
    "mlp.c_fc": (WIDTH, HIDDEN),
    "mlp.c_proj": (HIDDEN, WIDTH),
}
LLAMA = {
    "self_attn.q_proj": (WIDTH, WIDTH),
    "self_attn.k_proj": (WIDTH, KV),
    "self_attn.v_proj": (WIDTH, KV),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_proj": (WIDTH, HIDDEN),
    "mlp.up_proj": (WIDTH, HIDDEN),
    "mlp.down_proj": (HIDDEN, WIDTH),
}
# name -> where the layers are, their modules, keys of the configuration, tables trained whole
FOLDERS = {
    "gpt2": {
        "layers": "transformer.h",
        "modules": GPT2,
        "config": {
            "fan_in_fan_out": True,
            "r": 4,
            "lora_alpha": 32,
            "use_rslora": True,
            "lora_dropout": 0.05,
        },
        "targets": ["c_attn", "c_proj", "c_fc"],
        "saved": [],
    },
    "llama": {
        "layers": "model.layers",
        "modules": LLAMA,
        "config": {"r": 3, "lora_alpha": 6},
        "targets": ["q_proj", "v_proj"],  # PEFT's own choice for Llama
        "saved": [],
    },
    "llama-grown": {
        "layers": "model.layers",
        "modules": LLAMA,
        "config": {"r": 2, "lora_alpha": 4},
        "targets": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        "saved": ["embed_tokens", "lm_head"],
    },
}
TABLES = {"embed_tokens": "model.embed_tokens", "lm_head": "lm_head"}


def scaling(config):
    return config["lora_alpha"] / (math.sqrt(config["r"]) if config["use_rslora"] else config["r"])


def folder(name):
    """The texts and bytes of a folder's files."""
    row = FOLDERS[name]
    targets, saved = row["targets"], row["saved"]
    config = {**DEFAULTS, **row["config"], "target_modules": targets, "modules_to_save": saved or None}
    draw = torch.Generator().manual_seed(len(name))
    drawn = lambda *shape: torch.randn(shape, generator=draw) * 0.1
    adapter, added = {}, {}
    for layer in range(LAYERS):
        for module, (inputs, outputs) in row["modules"].items():
            if module.split(".")[-1] not in targets:
                continue
            path = f"{row['layers']}.{layer}.{module}"
            a, b = drawn(config["r"], inputs), drawn(outputs, config["r"])
            adapter[f"base_model.model.{path}.lora_A.weight"] = a
            adapter[f"base_model.model.{path}.lora_B.weight"] = b
            delta = (b.double() @ a.double()) * scaling(config)
            added[f"{path}.weight"] = delta.T if config["fan_in_fan_out"] else delta
    for table in saved:
        adapter[f"base_model.model.{TABLES[table]}.weight"] = drawn(VOCAB, WIDTH)
    return {
        "adapter_config.json": (json.dumps(config, indent=2, sort_keys=True) + "\n").encode(),
        "adapter_model.safetensors": safetensors(adapter),
        "added.safetensors": safetensors(added),
    }


def main():
    parser = argparse.ArgumentParser(description="Writes folders of adapters as PEFT does.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    for name in FOLDERS:
        at = HERE / "fixtures" / f"peft-{name}"
        at.mkdir(exist_ok=True)
        for file, content in folder(name).items():
            if check:
                if (at / file).read_bytes() != content:
                    raise SystemExit(f"{at / file} is not what this script writes")
            else:
                (at / file).write_bytes(content)


main()
