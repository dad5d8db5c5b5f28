"""A tiny BLIP3o-NEXT checkpoint in the released folder layout, made of the libraries' own modules.

Nothing of the runtime is used, so the names are the released ones whatever the runtime calls its parts.
"""

import json

import torch
from diffusers import AutoencoderDC, SanaTransformer2DModel
from diffusers.models.normalization import RMSNorm
from safetensors.torch import save_file
from tests.oracle.compare import scatter
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import Qwen3Config, Qwen3ForCausalLM, SiglipVisionConfig, SiglipVisionModel

HIDDEN, CODES, SCALES, CODE_WIDTH = 16, 32, 3, 6
WORDS = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
START = len(WORDS)
VOCABULARY = START + 2 + SCALES + CODES

QWEN = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "rope_theta": 1000000,
    "eos_token_id": START - 1,
}
MARKS = {
    "image_start_tag_id": START,
    "image_end_tag_id": START + 1,
    "scale_start_token_id": START + 2,
    "scale_end_token_id": START + 1 + SCALES,
    "num_scale_tokens": SCALES,
    "image_start_token_id": START + 2 + SCALES,
    "image_end_token_id": START + 1 + SCALES + CODES,
    "num_image_tokens": CODES,
}
TOWER = {"image_size": 28, "patch": 7, "width": HIDDEN, "ffn_width": 24, "layers": 3, "heads": 2}
SANA = {
    "in_channels": 4,
    "out_channels": 4,
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "num_layers": 1,
    "num_cross_attention_heads": 2,
    "cross_attention_head_dim": 8,
    "cross_attention_dim": 16,
    "caption_channels": 12,
    "sample_size": 8,
    "qk_norm": "rms_norm_across_heads",
}
DC_AE = {
    "latent_channels": 4,
    "attention_head_dim": 4,
    "encoder_block_types": "ResBlock",
    "decoder_block_types": "ResBlock",
    "encoder_block_out_channels": [8, 8, 8, 8],
    "decoder_block_out_channels": [8, 8, 8, 8],
    "encoder_layers_per_block": [1, 1, 1, 1],
    "decoder_layers_per_block": [1, 1, 1, 1],
    "encoder_qkv_multiscales": [[], [], [], []],
    "decoder_qkv_multiscales": [[], [], [], []],
    "scaling_factor": 0.4,
}
PARTS = {"transformer": SANA, "vae": DC_AE, "scheduler": {"_class_name": "Euler", "shift": 3.0}}


def config(*, tied=True):
    """The released config.json; the tokenizer's sizes are the one field of ours."""
    fields = {
        "model_type": "blip3o_qwen",
        "architectures": ["blip3oQwenForCausalLM"],
        "torch_dtype": "float32",
    }
    more = {"tie_word_embeddings": tied, "mm_vision_tower": "ta_tok.pth", "rope_scaling": None}
    return fields | QWEN | MARKS | more | {"ta_tok": TOWER}


def bottleneck():
    """The quantiser's tensors under the reference's names."""
    linear = {"in_linear": (HIDDEN, CODE_WIDTH), "out_linear": (CODE_WIDTH, CODE_WIDTH)}
    parts = nn.ModuleDict({name: nn.Linear(*sizes) for name, sizes in linear.items()})
    parts["regularizer"] = nn.ModuleDict(
        {
            "embedding": nn.Embedding(CODES, CODE_WIDTH),
            "embedding_proj": nn.Linear(CODE_WIDTH, CODE_WIDTH),
        }
    )
    return parts


def state(*, tied=True, tokenizer=True):
    """All tensors of a release, unread ones too, by their released names."""
    qwen = scatter(Qwen3ForCausalLM(Qwen3Config(**QWEN, tie_word_embeddings=tied)), 1)
    parts = {
        "": qwen,
        "model.sana.": scatter(SanaTransformer2DModel(**SANA), 2),
        "model.sana_vae.": scatter(AutoencoderDC(**DC_AE), 3),
        "model.diffusion_connector.": scatter(connector(), 4),
    }
    if tokenizer:
        at = "model.vision_tower.vision_tower."
        parts |= {
            at + "encoder.": scatter(SiglipVisionModel(SiglipVisionConfig(**siglip())), 5),
            at + "bottleneck.": scatter(bottleneck(), 6),
            at + "encode_task_layer.": scatter(nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.Tanh()), 7),
            at + "decode_task_layer.": nn.Sequential(nn.Linear(HIDDEN, HIDDEN)),
            at + "decoder.": nn.ModuleDict({"embeddings": nn.Embedding(4, HIDDEN)}),
        }
    tensors = {at + name: tensor for at, part in parts.items() for name, tensor in part.state_dict().items()}
    if tokenizer:
        tensors["model.vision_tower.vision_tower.scale_layer.shift"] = torch.zeros(1, 3, 1, 1)
    if tied:
        del tensors["lm_head.weight"]  # a shared tensor is stored once
    return tensors


def siglip():
    """The tower's sizes in the library's words."""
    return {
        "hidden_size": HIDDEN,
        "intermediate_size": TOWER["ffn_width"],
        "num_hidden_layers": TOWER["layers"],
        "num_attention_heads": TOWER["heads"],
        "image_size": TOWER["image_size"],
        "patch_size": TOWER["patch"],
    }


def connector():
    """The connector as the reference builds it."""
    width = SANA["caption_channels"]
    return nn.Sequential(
        nn.Linear(HIDDEN, width),
        nn.GELU(approximate="tanh"),
        nn.Linear(width, width),
        RMSNorm(width, eps=1e-5, elementwise_affine=True),
    )


def words():
    """A tokenizer of single bytes with the added tokens in the released order."""
    tokenizer = Tokenizer(models.BPE({word: index for index, word in enumerate(WORDS)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([*WORDS[-3:], "<im_start>", "<im_end>"])
    pictures = [f"<S{index}>" for index in range(SCALES)] + [f"<I{index}>" for index in range(CODES)]
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in pictures])
    return tokenizer


def write(folder, *, tied=True, tokenizer=True):
    """Write a checkpoint of two shards with its tokenizer and the parts' configurations."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(tied=tied)))
    tensors = state(tied=tied, tokenizer=tokenizer)
    places = {}
    for number in (1, 2):
        name = f"model-0000{number}-of-00002.safetensors"
        shard = {k: v.contiguous() for i, (k, v) in enumerate(tensors.items()) if i % 2 == number - 1}
        save_file(shard, folder / name)
        places |= dict.fromkeys(shard, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    for part, file in (("transformer", "config"), ("vae", "config"), ("scheduler", "scheduler_config")):
        (folder / part).mkdir(exist_ok=True)
        (folder / part / f"{file}.json").write_text(json.dumps(PARTS[part]))
    words().save(str(folder / "tokenizer.json"))
    return folder
