"""CLIP in small [@radford2021clip]: open_clip's own classes, kept in a folder that open_clip itself loads."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save as to_bytes
from torch import Tensor

from fakebook.files import atomic


def small_clip(
    vocabulary: int,
    context: int,
    size: int = 32,
    *,
    layers: int | Sequence[int] = (1, 1, 1, 1),
    width: int = 16,
    patch: int = 8,
    embedding: int = 64,
    words: int = 64,
    word_layers: int = 2,
    head: int = 32,
) -> dict[str, Any]:
    """The configuration of a CLIP for small pictures and a small vocabulary: ``open_clip.CLIP(**small_clip(…))``.

    Args:
        vocabulary, context: tokens that there are, and of a caption.
        size: pixels to a side of the pictures.
        layers: a number, those of a vision transformer; or the blocks in each of a residual network's four stages.
        width: channels of the transformer, or of the residual network's first stage.
        patch: pixels to a side of the transformer's patches; the residual network has none.
        embedding: numbers that picture and caption are both put into.
        words, word_layers: of the text transformer.
        head: channels of an attention head in both.
    """
    return {
        "embed_dim": embedding,
        "vision_cfg": {
            "image_size": size,
            "patch_size": patch,
            "width": width,
            "layers": layers if isinstance(layers, int) else list(layers),
            "head_width": head,
        },
        "text_cfg": {
            "context_length": context,
            "vocab_size": vocabulary,
            "width": words,
            "heads": words // head,
            "layers": word_layers,
        },
    }


def hidden_words(clip: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Tokens (B, L) to the text transformer's last hidden states, one for each token, (B, L, width).

    `open_clip.CLIP.encode_text` projects the one at the end of the text, and throws the others away.
    """
    x = clip.token_embedding(tokens) + clip.positional_embedding
    return clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask))


def save(clip: open_clip.CLIP, config: Mapping[str, Any], folder: str | Path) -> None:
    """Write ``folder`` so that ``open_clip.create_model_from_pretrained("local-dir:FOLDER")`` loads the model.

    Its transform takes photographs to the model's size and to [-1, 1].

    Args:
        config: what the model was made of, as of `small_clip`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    prepared = {"mean": [0.5] * 3, "std": [0.5] * 3}
    with atomic(folder / "open_clip_config.json") as path:
        path.write_text(json.dumps({"model_cfg": config, "preprocess_cfg": prepared}, indent=1))
    state = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in clip.state_dict().items()}
    with atomic(folder / "open_clip_model.safetensors") as path:
        path.write_bytes(to_bytes(state))


def load(folder: str | Path) -> open_clip.CLIP:
    """The model in ``folder``, by open_clip, on the CPU and in eval mode.

    Its words are split by `fakebook.data.words.Words.load(folder)`: ``open_clip.get_tokenizer`` would give open_clip's
    own 49,408 tokens, of which this model knows nothing.
    """
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{folder}", device=torch.device("cpu"))
    return model.eval()
