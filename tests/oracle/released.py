"""The released 4B and 8B in plain steps, from the files of a checkpoint under their released names.

Text and pictures are Qwen2.5-VL's own business (transformers' classes); for a picture the image-start token
and the latent queries follow the prompt in one causal pass, and their final states condition the DiT (public
inference code). Prompts are written out here, not taken from the runtime's templates.
"""

import json

import torch
from safetensors.torch import load_file
from tests.oracle import backbone, sampling, tower
from tests.oracle.dit import DiT
from tokenizers import Tokenizer
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2VLImageProcessor

TURN = "<|im_start|>{}\n{}<|im_end|>\n"
PICTURE = "<|vision_start|>{}<|vision_end|>"


def asked(said):
    """A dialogue of one question, up to the answer."""
    system = TURN.format("system", "You are a helpful assistant.")
    return system + TURN.format("user", said) + "<|im_start|>assistant\n"


class Released:
    """A checkpoint folder, opened by its names; the sizes of DiT and tower are not written in it."""

    def __init__(self, folder, dit_config, tower_config):
        tensors = {}
        for file in folder.glob("model-*.safetensors"):
            tensors |= load_file(file)
        told = json.loads((folder / "config.json").read_text())
        del told["model_type"], told["architectures"]
        self.queries = tensors.pop("model.latent_queries")
        self.dit, self.tower, self.tower_config = DiT(dit_config), tower.tower(tower_config), tower_config
        self.dit.load_state_dict(taken(tensors, "model.dit.model."))
        seen = taken(tensors, "model.gen_vision_tower.vision_tower.model.")
        self.tower.load_state_dict(tower.library_names(seen))
        self.qwen = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**told))
        self.qwen.model.visual.load_state_dict(taken(tensors, "visual."))
        self.qwen.lm_head.load_state_dict(taken(tensors, "lm_head."))
        self.qwen.model.language_model.load_state_dict(taken(tensors, "model."))
        assert not tensors
        for module in (self.dit, self.tower, self.qwen):
            module.eval()
        self.words = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.cut = Qwen2VLImageProcessor(**json.loads((folder / "preprocessor_config.json").read_text()))

    def inputs(self, text, pictures):
        """Token ids (1, l), which of them are pictures', whose places count rows and columns, and patches."""
        seen = self.cut(pictures, return_tensors="pt") if pictures else {}
        for grid in seen.get("image_grid_thw", []):
            wide = "<|image_pad|>" * (int(grid.prod()) // self.cut.merge_size**2)
            text = text.replace(PICTURE.format(""), PICTURE.format(wide), 1)
        ids = torch.tensor([self.words.encode(text).ids])
        return {"input_ids": ids, "mm_token_type_ids": (ids == self.qwen.config.image_token_id).int(), **seen}

    def answer(self, said, pictures, length):
        """The likeliest words, and the logarithm of how likely they are."""
        given = self.inputs(asked(PICTURE.format("") * len(pictures) + said), pictures)
        out = self.qwen.generate(
            **given, max_new_tokens=length, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
        tokens = out.sequences[0, given["input_ids"].shape[1] :].tolist()
        steps = torch.cat(out.logits).log_softmax(1)
        likelihood = steps[range(len(tokens)), tokens].sum().item()
        return self.words.decode(tokens, skip_special_tokens=True), likelihood

    def condition(self, text, pictures=()):
        """The final states at the queries, (1, n, d)."""
        given = self.inputs(text, list(pictures))
        start = torch.tensor([[self.words.token_to_id("[IMG]")]])
        ids = torch.cat([given["input_ids"], start], 1)
        row = self.qwen.get_input_embeddings()(ids)
        if pictures:
            seen = self.qwen.model.visual(given["pixel_values"], grid_thw=given["image_grid_thw"])
            row[ids == self.qwen.config.image_token_id] = seen.pooler_output
        whole = torch.cat([row, self.queries], 1)
        last, _ = backbone.states(self.qwen.model.language_model, whole)
        return last[:, -self.queries.shape[1] :]

    def features(self, condition, noise, *, steps=30, guidance=3.0):
        """Features (n, d) from noise (n, d)."""
        grid = int(len(noise) ** 0.5)
        start = noise.T.unflatten(1, (grid, grid))[None]
        return sampling.sample(self.dit, condition, start, steps=steps, guidance=guidance)[0].flatten(1).T


def taken(tensors, prefix):
    """Take the tensors under a prefix out of all."""
    return {name.removeprefix(prefix): tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}


def picture(vae, latents):
    """Latents (c, h, w) → pixels (h, w, 3) in 0 … 255."""
    decoded = vae.decode(latents[None] / vae.config.scaling_factor).sample[0]
    return ((decoded.clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0)
