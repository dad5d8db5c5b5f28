"""The backbone by transformers' own classes: Qwen2.5-VL's text model, and Qwen3.

One causal pass over a whole row, without a cache, attention spelled out (the library's "eager" form).
Tensor names are the released ones after their `model.`; the head of a Qwen3 is taken as wide as its
share of the model's width, which is what the runtime's backbone knows.
"""

import torch.nn.functional as F
from transformers import Qwen3Config, Qwen3Model
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLTextConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextModel


def text_model(config):
    """The library's model of a BackboneConfig: biases make it Qwen2.5-VL, normed heads Qwen3."""
    head = config.width // config.heads
    sizes = {
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "intermediate_size": config.ffn_width,
        "rms_norm_eps": config.eps,
        "attn_implementation": "eager",
    }
    rope = {"rope_type": "default", "rope_theta": config.rope_theta}
    if config.qk_norm:
        return Qwen3Model(Qwen3Config(**sizes, head_dim=head, rope_parameters=rope))
    # the sections of the release are 16, 24, 24 of 64 pairs; text counts alike in all three
    rope["mrope_section"] = [head // 2 - 2 * (head // 6), head // 6, head // 6]
    return Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**sizes, rope_parameters=rope))


def states(model, embeddings, filled=None):
    """States after the final norm and after half the layers, both (b, p, d).

    `filled` (b, p) is False at padding, which may stand inside a row: places count it, nobody sees it.
    """
    out = model(inputs_embeds=embeddings, attention_mask=filled, output_hidden_states=True)
    return out.last_hidden_state, out.hidden_states[model.config.num_hidden_layers // 2]


def logits(model, hidden, head=None):
    """Scores of every word; without a head of its own the embedding is read backwards."""
    return F.linear(hidden, model.embed_tokens.weight if head is None else head)
