"""What PyTorch's attention looks at in a text, layer by layer, and the logits after its last token.

    python3 attention_maps.py DIR 1,2,3                  a Hugging Face folder (formats/huggingface.py)
    python3 attention_maps.py stories260K.bin 1,2,3      llama2.c's file (formats/stories_loss.py)

JSON: { "maps": [layers][heads][T][T], "logits": [vocab] }. The only softmax of these models is attention's, so that its results are the maps.
"""
import json
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "formats"))

maps = []
softmax = torch.softmax


def noted(scores, dim):
    out = softmax(scores, dim)
    maps.append(out.reshape(-1, *out.shape[-2:]).tolist())
    return out


def main(path, ids):
    torch.softmax = noted
    if os.path.isdir(path):
        import huggingface as h

        config = json.load(open(path + "/config.json"))
        model = h.gpt2 if config["model_type"] == "gpt2" else h.llama
        logits = model(config, h.load(path + "/model.safetensors"), torch.tensor(ids))
    else:
        import stories_loss as s

        (logits,) = s.logits(*s.read_model(path), torch.tensor([ids]))
    print(json.dumps({"maps": maps, "logits": logits[-1].tolist()}))


with torch.no_grad():
    main(sys.argv[1], [int(i) for i in sys.argv[2].split(",")])
