"""Sizes of the models this project trains itself, as data."""

from dataclasses import replace

from sightline_runtime.models.backbone import BackboneConfig
from sightline_runtime.models.clip import ClipConfig
from sightline_runtime.models.decoder import DecoderConfig
from sightline_runtime.models.dit import DiTConfig
from sightline_runtime.models.queries import QueryConfig
from sightline_runtime.models.regress import RegressorConfig
from sightline_runtime.models.unified import Design, UnifiedConfig
from sightline_runtime.models.vae import VaeConfig


def _sized(vocabulary: int, width: int, layers: tuple[int, int, int, int], features: int) -> UnifiedConfig:
    clip_layers, backbone_layers, dit_layers, decoder_layers = layers
    heads = max(width // 32, 2)
    return UnifiedConfig(
        family="embedded",
        clip=ClipConfig(
            image_size=64,
            patch=22,
            stride=21,
            width=width,
            layers=clip_layers,
            heads=heads,
            ffn_width=3 * width,
            pool=1,
            features=features,
            class_token=False,
            position_table=False,
            windowed=True,
            normalised=True,
            activation="squared_relu",
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
        ),
        backbone=BackboneConfig(
            vocabulary=vocabulary,
            width=width,
            layers=backbone_layers,
            heads=heads,
            kv_heads=heads,
            ffn_width=2 * width,
            rope_theta=1e4,
            qkv_bias=False,
            qk_norm=True,
            tied=True,
        ),
        queries=QueryConfig(count=9, connector_layers=1, connector_width=width, connector_heads=heads),
        dit=DiTConfig(
            channels=features,
            source_channels=features,
            grid=3,
            width=width,
            layers=dit_layers,
            heads=heads,
            kv_heads=heads,
            ffn_width=2 * width,
            condition_width=width,
            predicts="features",
        ),
        decoder=DecoderConfig(
            features=features,
            width=width,
            layers=decoder_layers,
            heads=heads,
            ffn_width=2 * width,
            detail_width=5 * width // 4,
        ),
        default_guidance=1.0,  # measured: 1, 1.4 and 2 draw and edit equally well, and 1 costs half
    )


def _designed(config: UnifiedConfig, design: Design, channels: tuple[int, ...]) -> UnifiedConfig:
    """The same sizes in another design; `channels` are the widths of the VAE's levels."""
    if config.dit is None or design == "clip_flow":
        return config
    if design == "clip_mse":
        return _regressing(config, config.dit)
    vae = VaeConfig(config.clip.image_size, channels)
    dit = replace(config.dit, channels=vae.width, source_channels=vae.width, grid=vae.grid)
    return replace(config, design=design, dit=dit, decoder=None, vae=vae, decode_steps=1)


def _regressing(config: UnifiedConfig, dit: DiTConfig) -> UnifiedConfig:
    """The connector gets the layers that the DiT has elsewhere, so that designs compare alike."""
    head = RegressorConfig(dit.channels, dit.source_channels, dit.condition_width, 2 * dit.width)
    queries = replace(config.queries, connector_layers=config.queries.connector_layers + dit.layers)
    return replace(config, design="clip_mse", queries=queries, dit=None, regressor=head, default_steps=1)


def embedded(vocabulary: int, design: Design = "clip_flow") -> UnifiedConfig:
    """The shipped model, in its own design: about 16 M parameters, trained on two CPU cores."""
    return _designed(_sized(vocabulary, 256, (2, 5, 6, 2), 48), design, (16, 32, 64))


def embedded_large(vocabulary: int, design: Design = "clip_flow") -> UnifiedConfig:
    """The same model grown for training on an accelerator."""
    return _designed(_sized(vocabulary, 320, (3, 6, 8, 2), 48), design, (64, 128, 256))


def tiny(vocabulary: int, design: Design = "clip_flow") -> UnifiedConfig:
    """A model of the same form that trains in seconds, for tests."""
    return _designed(_sized(vocabulary, 64, (1, 2, 2, 1), 16), design, (8, 8, 8))


PRESETS = {"cpu": embedded, "gpu": embedded_large, "tiny": tiny}
