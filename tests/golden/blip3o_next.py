"""Golden cases of BLIP3o-NEXT: the token quantiser and the sampling of SANA's latents."""

import inspect

import torch
from diffusers import SanaTransformer2DModel

from sightline_runtime.models import flow, sana
from sightline_runtime.models.tatok import QuantiserConfig, TokenQuantiser


def under(weights, prefix):
    """The tensors whose names start with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def token_quantiser(case):
    """Features → ids → features, and the features of the ids that the quantiser gave."""
    quantiser = TokenQuantiser(QuantiserConfig.from_json(case.config))
    quantiser.load_state_dict(under(case.weights, "bottleneck."))
    with torch.inference_mode():
        codes = quantiser.codes()
        tokens = quantiser.encode(case.inputs["features"], codes)
        decoded = quantiser.decode(tokens, codes)
    return {"tokens": tokens, "output": decoded, "decoded": decoded}


def next_latent_sampling(case):
    """Hidden states and noise → latents, with the timesteps that SANA was shown."""
    config = case.config
    accepted = inspect.signature(SanaTransformer2DModel.__init__).parameters
    network = SanaTransformer2DModel(**{name: config[name] for name in accepted if name in config}).eval()
    network.load_state_dict(under(case.weights, "model.sana."))
    connector = sana.Connector(config["hidden_size"], config["caption_channels"])
    connector.load_state_dict(under(case.weights, "model.diffusion_connector."))
    schedule = sana.schedule(config["steps"], config["shift"])
    scale = config["num_train_timesteps"] / flow.TIMESTEPS
    schedule = flow.Schedule(schedule.levels, [time * scale for time in schedule.times])
    guidance = config["guidance_scale"]
    with torch.inference_mode():
        rows = connector.rows(case.inputs["hidden"], guidance)
        *_, latents = sana.sample(network, rows, case.inputs["noise"], schedule, guidance)
    return {"latents": latents, "timesteps": torch.tensor(schedule.times)}


COMPONENTS = {"token_quantiser": token_quantiser, "next_latent_sampling": next_latent_sampling}
