"""Frozen networks that turn an image into a vector, behind one interface: images in, (B, width) out.

A backbone is named by a short specification, so that a profile can choose it:

- ``efficientnet_lite0``: ImageNet weights from an installed package, no network needed;
- ``resnet18``: torchvision's, with ImageNet weights by its own loader; ``resnet18:FOLDER`` reads them from a folder;
- ``open_clip:MODEL/TAG``, such as ``open_clip:ViT-L-14-quickgelu/openai``, by open_clip's own loader;
  ``open_clip:FOLDER`` from a folder with ``open_clip_config.json`` and the weights.

Weights in a folder must be safetensors: a pickle that one was given may run code.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import center_crop, resize

from fakebook import code, paths, weights
from fakebook.data.imageset import floats
from fakebook.errors import UserError
from fakebook.models.efficientnet_lite0 import efficientnet_lite0

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Backbone(nn.Module):
    """A network without its classifier, with the preprocessing it was trained with.

    Takes images (B, 3, H, W) in [-1, 1], or as bytes, of any size, square or not (the shorter side is scaled to
    ``size`` and the middle cut out, as CLIP does), and gives embeddings (B, ``width``), not normalised.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        label: str,
        width: int,
        size: int,
        mean: tuple[float, ...] = (0.5, 0.5, 0.5),
        std: tuple[float, ...] = (0.5, 0.5, 0.5),
    ):
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.name, self.label, self.width, self.size = name, label, width, size
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self.eval()

    def prepare(self, images: Tensor) -> Tensor:
        """Resized to (B, 3, ``size``, ``size``) by one antialiased bicubic, and normalised as the network wants it."""
        images = floats(images)
        if min(images.shape[-2:]) != self.size:
            images = resize(images, [self.size], InterpolationMode.BICUBIC, antialias=True).clamp(-1, 1)
        images = center_crop(images, [self.size])
        return ((images + 1) / 2 - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.prepare(images).contiguous(memory_format=torch.channels_last))

    def fingerprint(self) -> str:
        """SHA-256 over the name, the preprocessing and every weight."""
        digest = hashlib.sha256(repr((self.name, self.size, self.mean.tolist(), self.std.tolist())).encode())
        for key, value in sorted(self.network.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.detach().cpu().numpy().tobytes())
        return digest.hexdigest()


def backbone(spec: str, size: int | None = None) -> Backbone:
    """The backbone that ``spec`` names (see the module), in evaluation mode.

    Args:
        spec: as above.
        size: the side in pixels that images are scaled to; None is what the network was trained with. Smaller is
            faster and, where images are small, loses nothing that was there. Ignored by open_clip models, whose
            position embeddings fix it.

    Raises:
        UserError: an unknown specification, weights that are missing or cannot be fetched, or a pickle.
    """
    kind, _, source = spec.partition(":")
    if kind not in _KINDS:
        raise UserError(f"unknown backbone {spec!r}: choose from {', '.join(_KINDS)}")
    return _KINDS[kind](spec, source, size)


def _efficientnet_lite0(spec: str, source: str, size: int | None) -> Backbone:
    if source:
        raise UserError(f"backbone {spec!r}: efficientnet_lite0 takes its weights from its package, not from a folder")
    network = efficientnet_lite0(pretrained=True)
    network.fc = nn.Identity()
    return Backbone(network, name=spec, label="EfficientNet-Lite0 (ImageNet)", width=network.width, size=size or 224)


def _resnet18(spec: str, source: str, size: int | None) -> Backbone:
    network = torchvision.models.resnet18()
    if source:
        path = _safetensors(Path(source))
        state, _ = weights.load(path)
    else:
        published, path = torchvision.models.ResNet18_Weights.IMAGENET1K_V1, spec
        state = _fetched(lambda: published.get_state_dict(progress=True, check_hash=True), spec)
    # The classifier is not used, and may have another number of classes; counters of batches are lacking in old files.
    own = {key: value for key, value in network.state_dict().items() if key.endswith("num_batches_tracked")}
    head = {key: value for key, value in network.state_dict().items() if key.startswith("fc.")}
    weights.fit_into(network, {**own, **state, **head}, path)
    network.fc = nn.Identity()
    mean, std = IMAGENET
    return Backbone(network, name=spec, label="ResNet-18 (ImageNet)", width=512, size=size or 224, mean=mean, std=std)


def _open_clip(spec: str, source: str, size: int | None) -> Backbone:
    import open_clip  # slow to import, and most runs do without

    folder = Path(source)
    if folder.is_dir():
        _safetensors(folder)
        try:
            model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True)
        except (ValueError, FileNotFoundError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"backbone {spec!r}: {folder} holds no open_clip model ({reason})") from None
        label = f"CLIP ({folder.name})"
    else:
        name, _, tag = source.rpartition("/")
        if not name or name not in open_clip.list_models():
            raise UserError(
                f"backbone {spec!r}: {source!r} is neither a folder nor MODEL/TAG of open_clip, "
                "such as ViT-L-14-quickgelu/openai"
            )
        model = _fetched(lambda: open_clip.create_model(name, pretrained=tag, require_pretrained=True), spec)
        label = f"CLIP {name.removesuffix('-quickgelu')} ({tag})"
    config = model.visual.preprocess_cfg
    side = config["size"] if isinstance(config["size"], int) else config["size"][0]
    width = model.visual.output_dim
    return Backbone(
        model.visual,
        name=spec,
        label=label,
        width=width,
        size=side,
        mean=config["mean"],
        std=config["std"],
    )


_KINDS = {"efficientnet_lite0": _efficientnet_lite0, "resnet18": _resnet18, "open_clip": _open_clip}


def _safetensors(path: Path) -> Path:
    """The safetensors file that ``path`` is or holds."""
    if path.is_file() and path.suffix == ".safetensors":
        return path
    found = sorted(path.glob("*.safetensors")) if path.is_dir() else []
    if found:
        return found[0]
    if not path.exists():
        raise UserError(f"{path} does not exist: give a folder with a .safetensors file")
    raise UserError(f"{path} has no .safetensors file, and a pickle (.pth, .bin) can run code: convert it first")


def _fetched(load: Callable, spec: str):
    try:
        return load()
    except Exception as error:  # each loader has errors of its own for no network, a refusal or a wrong hash
        reason, kind = " ".join(str(error).split())[:120], spec.split(":")[0]
        raise UserError(f"the weights of {spec!r} cannot be fetched ({reason}): name a folder, {kind}:FOLDER") from None


def embed(
    backbone: Backbone,
    images: Tensor,
    *,
    batch_size: int | None = None,
    device: str | torch.device = "cpu",
    folder: Path | None = None,
) -> Tensor:
    """Embeddings (N, width) of images (N, 3, H, W), computed once and kept by content.

    The key is the backbone's weights, the pixels and the code that computes it: whatever changes, the vectors are
    computed anew. ``folder`` defaults to ``embeddings`` in the build folder.
    """
    digest = hashlib.sha256(f"{backbone.fingerprint()} {tuple(images.shape)} {code.fingerprint(__name__)}".encode())
    digest.update(images.detach().cpu().contiguous().numpy().data)
    path = (folder or paths.build() / "embeddings") / f"{digest.hexdigest()[:32]}.safetensors"
    if path.is_file():
        return weights.load(path)[0]["embeddings"]
    backbone = backbone.to(device).eval()
    # On a CPU the maps of few images stay in its cache: twice as fast as 64 images at 128 pixels.
    batch_size = batch_size or (8 if torch.device(device).type == "cpu" else 256)
    with torch.inference_mode():
        parts = [
            backbone(images[i : i + batch_size].to(device)).float().cpu() for i in range(0, len(images), batch_size)
        ]
    embeddings = torch.cat(parts)
    weights.save(path, {"embeddings": embeddings}, {"backbone": backbone.name, "size": backbone.size})
    return embeddings
