"""Patch scores: layers against hooks, the two trainings against scikit-learn and planted patches, and refusals."""

import copy
import json

import numpy as np
import open_clip
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from fakebook.detectors import patches
from fakebook.detectors.embeddings import backbone
from fakebook.detectors.patches import PatchScorer, learn_from_labels, learn_from_masks, top_k
from fakebook.errors import UserError

CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 3, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def hooked(network, module, x):
    """What ``module`` gives when ``network`` sees ``x``."""
    seen = []
    handle = module.register_forward_hook(lambda _, inputs, output: seen.append(output))
    with torch.no_grad():
        network(x)
    handle.remove()
    return seen[0]


def test_a_stage_of_efficientnet():
    ours, images = backbone("efficientnet_lite0", 64), noise(2, 3, 64, 64).clamp(-1, 1)
    network = copy.deepcopy(ours.network)
    fine = hooked(network, network.blocks[5 - 1], ours.prepare(images))  # stage 3: 1 + 2 + 2 blocks, 8x8 here
    got = patches.maps(ours, images, (3,), 4, batch_size=1)
    torch.testing.assert_close(got, fine.unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((3, 5)), rtol=1e-4, atol=1e-4)


def test_a_layer_of_resnet(tmp_path):
    twin = torchvision.models.resnet18().eval()
    save_file(twin.state_dict(), tmp_path / "model.safetensors")
    ours, images = backbone(f"resnet18:{tmp_path}", 64), noise(2, 3, 64, 64).clamp(-1, 1)
    expected = [hooked(twin, layer, ours.prepare(images)) for layer in (twin.layer2, twin.layer3)]
    got = patches.maps(ours, images, (2, 3), 8)
    assert got.shape == (2, 128 + 256, 8, 8)
    torch.testing.assert_close(got[:, :128], expected[0], rtol=1e-4, atol=1e-4)
    corner = expected[1][:, :, 0, 0]  # a coarser map is interpolated, and its corner stays
    torch.testing.assert_close(got[:, 128:, 0, 0], corner, rtol=1e-4, atol=1e-4)


def test_a_block_of_clip(tmp_path):
    torch.manual_seed(0)
    model = open_clip.CLIP(**CLIP).eval()
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "size": 32}
    config = {"model_cfg": CLIP, "preprocess_cfg": preprocess}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    images = noise(2, 3, 32, 32).clamp(-1, 1)
    tokens = hooked(model.visual, model.visual.transformer.resblocks[1], images)
    expected = tokens[:, 1:].transpose(1, 2).unflatten(2, (4, 4))  # without the class token, rows of patches
    got = patches.maps(backbone(f"open_clip:{tmp_path}"), images, (2,), 4)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers, said", [((8,), "from 1 to 7, and you asked for 8"), ((), "none"), ((0, 1), "0, 1")])
def test_layers_that_are_not_there(layers, said):
    with pytest.raises(UserError, match=said):
        patches.maps(backbone("efficientnet_lite0", 32), torch.zeros(1, 3, 32, 32), layers, 4)


def test_what_has_no_patches():
    with pytest.raises(ValueError, match="square"):
        patches.maps(backbone("efficientnet_lite0", 32), torch.zeros(1, 3, 32, 40), (4,), 4)
    odd = backbone("efficientnet_lite0", 32)
    odd.network = nn.Flatten()
    with pytest.raises(UserError, match="no middle layers"):
        patches.maps(odd, torch.zeros(1, 3, 32, 32), (4,), 4)
    with pytest.raises(ValueError, match="share"):
        PatchScorer(3, 0)


@pytest.mark.parametrize("share, count", [(1e-9, 1), (0.1, 2), (0.5, 8), (1, 16)])
def test_top_k_by_brute_force(share, count):
    scores = noise(5, 4, 4)
    expected = [np.mean(sorted(image.flatten().tolist(), reverse=True)[:count]) for image in scores]
    torch.testing.assert_close(top_k(scores, share), torch.tensor(expected, dtype=torch.float32))


def test_evidence_is_the_mean_of_what_was_suspicious():
    scorer, maps = PatchScorer(3, 2 / 16), noise(4, 3, 4, 4)
    with torch.no_grad():
        scores = scorer.patches(maps)
        torch.testing.assert_close(scores[1, 2, 3], scorer.linear(maps[1, :, 2, 3])[0])
        for image, score, found in zip(maps, scores, scorer.evidence(maps), strict=True):
            best = score.flatten().argsort(descending=True)[:2]
            torch.testing.assert_close(found, image.flatten(1)[:, best].mean(1))
        torch.testing.assert_close(scorer(maps), scorer.linear(scorer.evidence(maps))[:, 0])  # it is linear


def planted(count=40, grid=4, seed=0):
    """Maps in which feature 0 is raised in one corner, and their masks at twice the resolution; real ones first."""
    maps = noise(2 * count, 5, grid, grid, seed=seed) * torch.tensor([1, 5, 1, 0.1, 1])[:, None, None] + 3
    masks = torch.zeros(2 * count, 1, 2 * grid, 2 * grid)
    masks[count:, :, :4, :4] = 1
    maps[count:, 0, :2, :2] += 3
    return maps, masks, torch.arange(2).repeat_interleave(count)


def test_masks_by_scikit_learn():
    maps, masks, _ = planted()
    masks[-1, :, :, 4] = 1  # half a patch: left out
    got = learn_from_masks(maps, masks, share=0.25, strength=0.1)
    covered = masks.unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((1, 3, 5)).flatten()
    x, clear = maps.movedim(1, -1).flatten(0, 2).double().numpy(), (covered != 0.5).numpy()
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, tol=1e-8))
    reference.fit(x[clear], covered.numpy()[clear] > 0.5)
    expected = torch.from_numpy(reference.decision_function(x)).float().view(-1, 4, 4)
    torch.testing.assert_close(got.patches(maps), expected, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_labels_alone_find_the_place(share):
    maps, _, labels = planted()
    before = torch.random.get_rng_state()
    scorer = learn_from_labels(maps, labels, share, epochs=100, lr=0.03, device="cpu")
    assert torch.equal(before, torch.random.get_rng_state())
    new, _, labels = planted(seed=1)
    scores = scorer(new)
    assert (scores[labels == 1].mean() - scores[labels == 0].mean()) > 2 * scores[labels == 0].std()
    heat = scorer.patches(new[labels == 1]).mean(0)
    assert heat[:2, :2].min() > heat[2:, 2:].max()
    again = learn_from_labels(maps, torch.arange(2).repeat_interleave(40), share, epochs=100, lr=0.03, device="cpu")
    torch.testing.assert_close(again.linear.weight, scorer.linear.weight, rtol=0, atol=0)


def test_masks_need_both_kinds():
    maps, masks, _ = planted()
    for nothing in (torch.zeros_like(masks), torch.ones_like(masks)):
        with pytest.raises(ValueError, match="of one kind"):
            learn_from_masks(maps, nothing, 0.1)
