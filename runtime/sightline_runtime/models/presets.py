"""Sizes of the models this project trains itself, as data."""

from sightline_runtime.models.backbone import BackboneConfig
from sightline_runtime.models.clip import ClipConfig
from sightline_runtime.models.decoder import DecoderConfig
from sightline_runtime.models.dit import DiTConfig
from sightline_runtime.models.queries import QueryConfig
from sightline_runtime.models.unified import UnifiedConfig


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


def embedded(vocabulary: int) -> UnifiedConfig:
    """The shipped model: about 16 M parameters, trained on two CPU cores."""
    return _sized(vocabulary, 256, (2, 5, 6, 2), 48)


def embedded_large(vocabulary: int) -> UnifiedConfig:
    """The same model grown for training on an accelerator."""
    return _sized(vocabulary, 320, (3, 6, 8, 2), 48)


def tiny(vocabulary: int) -> UnifiedConfig:
    """A model of the same form that trains in seconds, for tests."""
    return _sized(vocabulary, 64, (1, 2, 2, 1), 16)


PRESETS = {"cpu": embedded, "gpu": embedded_large, "tiny": tiny}
