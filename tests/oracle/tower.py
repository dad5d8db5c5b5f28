"""The EVA-CLIP tower by timm's `Eva`, and what a picture goes through before it.

Post-norm blocks, a table of absolute places with a class token, no rotary places, no final norm; the last
block's tokens without the class token, then average pooling (public vision code of the reference).

Why the runtime has a class of its own: the released tensors fit neither library as it is. timm's
attention has a fused weight but keeps the biases of queries and values apart and has none for keys;
its model for this size has a table for 224 pixels, a final norm, and gives the class token. open_clip
wraps that model with one more projection, and keeps the 224-pixel table even when asked for 448.
"""

import torch.nn.functional as F
from timm.models.eva import Eva
from torchvision import transforms


def tower(config):
    """The library's tower of a ClipConfig's sizes."""
    return Eva(
        img_size=config.image_size,
        patch_size=config.patch,
        embed_dim=config.width,
        depth=config.layers,
        num_heads=config.heads,
        mlp_ratio=(config.ffn_width + 0.5) / config.width,  # the library rounds the product down
        use_post_norm=True,
        use_post_transformer_norm=False,
        global_pool="",
        num_classes=0,
    )


def library_names(state):
    """Released tensors by the library's names.

    The bias of keys is left out: q·(k + b) = q·k + q·b, and what is the same for all keys falls out of
    the softmax.
    """
    named = {}
    for name, tensor in state.items():
        if name.endswith("attn.qkv.bias"):
            place = name.removesuffix("qkv.bias")
            named[place + "q_bias"], _, named[place + "v_bias"] = tensor.chunk(3)
        else:
            named[name] = tensor
    return named


def features(eva, config, pixels):
    """Pixels (b, 3, s, s) in 0 … 1 → feature tokens (b, n, d)."""
    x = transforms.Normalize(config.mean, config.std)(pixels)
    patches = eva.forward_features(x)[:, 1:].transpose(1, 2)
    square = patches.unflatten(2, (config.patches, config.patches))
    return F.avg_pool2d(square, config.pool).flatten(2).transpose(1, 2)


def preprocessed(picture, side):
    """A Pillow picture → pixels (1, 3, side, side) in 0 … 1, as the reference's processor makes them."""
    resized = transforms.Resize(side, interpolation=transforms.InterpolationMode.BICUBIC)(picture)
    return transforms.ToTensor()(transforms.CenterCrop(side)(resized))[None]
