"""BLIP3-o's components, run by the runtime's own code on a golden case."""

from dataclasses import replace

import torch
from diffusers import EulerDiscreteScheduler, UNet2DConditionModel
from tests.golden.case import load_exactly
from transformers import Qwen2_5_VLConfig

from sightline_runtime.models import checkpoint, flow, preprocess, sampling, sdxl
from sightline_runtime.models.blip3o import TOWER, Blip3o, Blip3oConfig, dit_config, ours
from sightline_runtime.models.clip import ClipConfig, ClipTower
from sightline_runtime.models.dit import DiT


def tokens(square):
    """(b, c, h, w) → (b, h·w, c)."""
    return square.flatten(2).transpose(1, 2)


def square(tokens, grid):
    """(b, h·w, c) → (b, c, h, w)."""
    return tokens.transpose(1, 2).unflatten(2, (grid, grid))


def dit(case):
    """The DiT of a case, its sizes read off the weights as for a released checkpoint."""
    shapes = {name: tuple(tensor.shape) for name, tensor in case.weights.items()}
    sized = dit_config(shapes, grid=case.config["input_size"] // case.config["patch_size"])
    config = replace(sized, eps=case.config["norm_eps"])
    assert (config.layers, config.heads, config.kv_heads, config.ffn_width) == tuple(
        case.config[key] for key in ("n_layers", "n_heads", "n_kv_heads", "ffn_inner")
    )
    model = DiT(config)
    model.load_state_dict({ours(name).removeprefix("dit."): t for name, t in case.weights.items()})
    return model.eval()


def dit_forward(case):
    """One call of the transformer."""
    model = dit(case)
    condition = model.prepare(case.inputs["z_latents"])
    velocity = model(tokens(case.inputs["x"]), case.inputs["timestep"], condition)
    return {"velocity": square(velocity, model.config.grid)}


def feature_sampling(case):
    """The whole sampling loop, as the engine runs it."""
    model, told = dit(case), case.config
    schedule = flow.schedule(told["steps"], shift=told["shift"], integer=True)
    sampled = sampling.sample(
        model,
        case.inputs["z_latents"],
        tokens(case.inputs["noise"]),
        schedule=schedule,
        guidance=told["guidance_scale"],
    )
    *_, features = sampled
    return {
        "features": square(features, model.config.grid),
        "sigmas": torch.tensor(schedule.levels),
        "timesteps": torch.tensor(flow.timesteps(schedule.levels, integer=False)),
    }


def flow_matching_loss(case):
    """The training loss of given draws."""
    model, given = dit(case), case.inputs
    times, levels = flow.training_level(given["u"], case.config["shift"])
    features, noise = tokens(given["features"]), tokens(given["noise"])
    noisy, target = flow.noised(features, noise, levels)
    condition = model.prepare(given["z_latents"] * given["keep"][:, None, None])
    predicted = model(noisy, times, condition)
    grid = model.config.grid
    return {
        "timesteps": times,
        "sigmas": levels,
        "noisy": square(noisy, grid),
        "prediction": square(predicted, grid),
        "loss": (predicted - target).square().mean()[None],
    }


def clip_tower(case):
    """The EVA tower; pixels come normalised."""
    told = case.config
    config = ClipConfig(
        image_size=told["image_size"],
        patch=told["patch_size"],
        stride=told["patch_size"],
        width=told["width"],
        layers=told["layers"],
        heads=told["width"] // told["head_width"],
        ffn_width=int(told["width"] * told["mlp_ratio"]),
        pool=1,
        eps=told["norm_eps"],
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )
    every = load_exactly(ClipTower(config), case.weights, lambda name: name.removeprefix(TOWER))
    pooled = ClipTower(replace(config, pool=told["pool"]))
    pooled.load_state_dict(every.state_dict())
    grid = pooled.config.grid
    return {
        "tokens": every(case.inputs["pixels"]),
        "pooled": square(pooled.eval()(case.inputs["pixels"]), grid),
    }


def clip_preprocess(case):
    """Pictures of any size → what the tower's first layer sees."""
    told, out = case.config, {}
    mean, std = (torch.tensor(told[key])[:, None, None] for key in ("mean", "std"))
    for name, pixels in case.inputs.items():
        seen = preprocess.eva_pixels(pixels.numpy(), told["image_size"])[0]
        out[name.replace("image", "pixels")] = (seen - mean) / std
    return out


def query_path(case):
    """Prompt and queries through the backbone in one causal pass."""
    told = dict(case.config)
    qwen = Qwen2_5_VLConfig(
        text_config={
            **{key: told[key] for key in told if key not in ("n_query", "mrope_section", "rope_theta")},
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": told["rope_theta"],
                "mrope_section": told["mrope_section"],
            },
        },
        vision_config={"depth": 1, "hidden_size": 16, "num_heads": 2, "out_hidden_size": told["hidden_size"]},
        tie_word_embeddings=told["tie_word_embeddings"],
    )
    model = Blip3o(Blip3oConfig(qwen, told["n_query"], small_dit(told["hidden_size"]), None)).eval()
    fitted = {ours(name): tensor for name, tensor in case.weights.items()}
    unknown = fitted.keys() - model.state_dict().keys()
    assert not unknown, unknown
    backbone = {n for n in model.state_dict() if n.startswith(("qwen.model.language_model.", "queries."))}
    checkpoint.compare(
        {n: tuple(model.state_dict()[n].shape) for n in backbone},
        {n: tuple(t.shape) for n, t in fitted.items() if n != "qwen.lm_head.weight"},  # nothing is said here
    )
    model.load_state_dict(fitted, strict=False)
    prompt = model.embed(case.inputs["input_ids"])
    return {
        "hidden": model.states(prompt, case.inputs["attention_mask"]),
        "z_latents": model.condition(prompt, case.inputs["attention_mask"]),
    }


def small_dit(condition_width):
    """A DiT that is not run: the query path ends before it."""
    from sightline_runtime.models.dit import DiTConfig

    return DiTConfig(4, 0, 2, 8, 1, 2, 2, 16, condition_width)


def diffusion_decoder(case):
    """Features → latents by the UNet."""
    told = dict(case.config)
    run = {key: told.pop(key) for key in ("steps", "guidance_scale", "size", "scheduler")}
    unet = load_exactly(UNet2DConditionModel(**told), case.weights, lambda name: name.removeprefix("unet."))
    schedule = {key: value for key, value in run["scheduler"].items() if key != "kind"}
    scheduler = EulerDiscreteScheduler(**schedule)
    given = case.inputs
    told_unet = sdxl.condition(given["features"], given["negative"], (run["size"], run["size"]))
    *_, latents = sdxl.denoise(
        unet,
        scheduler,
        told_unet,
        given["noise"],
        steps=run["steps"],
        guidance=run["guidance_scale"],
    )
    return {"latents": latents, "timesteps": scheduler.timesteps.float()}


COMPONENTS = {
    "dit_forward": dit_forward,
    "feature_sampling": feature_sampling,
    "flow_matching_loss": flow_matching_loss,
    "clip_tower": clip_tower,
    "clip_preprocess": clip_preprocess,
    "query_path": query_path,
    "diffusion_decoder": diffusion_decoder,
}
