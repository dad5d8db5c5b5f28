"""A tiny random checkpoint in the released folder layout of BLIP3-o 4B and 8B."""

import json

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
SPECIAL += ["<|image_pad|>", "<|video_pad|>", "[IMG]", "[/IMG]", "<image>"]
WIDTH, FEATURES, VOCABULARY = 64, 24, 300


def tokenizer():
    """A byte-level tokenizer with the released model's control tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet)
    made.train_from_iterator(["a red star left of a blue circle"] * 4, trainer)
    return made


def config(queries=64, tied=False):
    """A released config.json: flat, as transformers of mid-2025 wrote it."""
    return {
        "model_type": "blip3o_qwen_inference",
        "architectures": ["blip3oQwenForInferenceLM"],
        "hidden_size": WIDTH,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": VOCABULARY + 20,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "tie_word_embeddings": tied,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "image_token_id": SPECIAL.index("<|image_pad|>"),
        "video_token_id": SPECIAL.index("<|video_pad|>"),
        "vision_start_token_id": SPECIAL.index("<|vision_start|>"),
        "vision_end_token_id": SPECIAL.index("<|vision_end|>"),
        "vision_config": {
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
            "fullatt_block_indexes": [1],
            "window_size": 56,
        },
        "n_query": queries,
        "gen_pooling": "early_pool2d_4",
        "gen_vision_tower": "eva-clip-E-14-plus",
        "gen_hidden_size": FEATURES,
    }


UNET = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 1,
    "block_out_channels": [16, 32],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": FEATURES,
    "attention_head_dim": [2, 4],
    "transformer_layers_per_block": [1, 1],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": FEATURES + 48,
    "norm_num_groups": 8,
}
VAE = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [8, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "sample_size": 16,
    "scaling_factor": 0.13025,
}
SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}


def module(data, tower):
    """A random model of a config, of tiny DiT and tower."""
    from transformers import Qwen2_5_VLConfig

    from sightline_runtime.models.blip3o import Blip3o, Blip3oConfig
    from sightline_runtime.models.clip import ClipConfig
    from sightline_runtime.models.dit import DiTConfig

    fields = {k: v for k, v in data.items() if k not in ("model_type", "architectures")}
    dit = DiTConfig(FEATURES, 0, 8, 16, 2, 2, 2, 32, WIDTH)
    eva = ClipConfig(
        image_size=448, patch=14, stride=14, width=FEATURES, layers=1, heads=1, ffn_width=24, pool=4
    )
    torch.manual_seed(0)
    made = Blip3o(Blip3oConfig(Qwen2_5_VLConfig(**fields), data["n_query"], dit, eva if tower else None))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.2)
    return made


def shards(folder, tensors, stem, count):
    """Write tensors as `count` shards with an index."""
    names = sorted(tensors)
    places = {}
    for number in range(count):
        file = f"{stem}-{number + 1:05d}-of-{count:05d}.safetensors"
        part = {name: tensors[name].contiguous().clone() for name in names[number::count]}
        save_file(part, folder / file)
        places |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": places}
    (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(index))


def write(folder, *, tower=False, tied=False):
    """Write the whole folder; gives the module whose weights lie in it."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from sightline_runtime.models.blip3o import released

    folder.mkdir(parents=True, exist_ok=True)
    data = config(tied=tied)
    made = module(data, tower)
    state = {released(name): tensor for name, tensor in made.state_dict().items() if name not in made.tied}
    (folder / "config.json").write_text(json.dumps(data))
    tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"min_pixels": 784, "max_pixels": 50176}))
    shards(folder, state, "model", 3)
    for part, kind, told in (("unet", UNet2DConditionModel, UNET), ("vae", AutoencoderKL, VAE)):
        at = folder / "diffusion-decoder" / part
        at.mkdir(parents=True)
        (at / "config.json").write_text(json.dumps(told))
        weights = kind.from_config(told).state_dict()
        save_file(weights, at / "diffusion_pytorch_model.bf16.safetensors")
    at = folder / "diffusion-decoder" / "scheduler"
    at.mkdir()
    (at / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    return made
