"""Chapter 12 on Dolos: the paper profile, two processes of torchrun, weights from folders; only numbers are small."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import open_clip
import pandas as pd
import pytest
import torch
import torchvision
import yaml
from PIL import Image
from safetensors.torch import save_file

from fakebook.data import dolos

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = "12_detectives"
COUNTS = {"train": 12, "valid": 8, "test": 8}
FORGERS = ["lama", "repaint"]  # of the four: a matrix of two by two takes half the time
CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


def archive(folder):
    """The public archive's folders and file kinds, all six sources of fakes, with noise for faces."""
    rng = torch.Generator().manual_seed(0)
    for split, count in COUNTS.items():
        for i in range(count):
            image = torch.rand(3, 32, 32, generator=rng) * 1.6 - 0.8
            name, mask = f"{split}{i:03}", torch.zeros(1, 32, 32)
            mask[:, 8:20, 6:22] = 1
            dolos.write_image(folder, "celebahq", "real", split, name, image)
            for number, forger in enumerate((*dolos.FORGERS, "repaint-p2")):
                fake = torch.where(mask > 0, image.roll(number + 1, 2) * 0.7, image)
                dolos.write_image(folder, "celebahq", forger, split, name, fake, mask)
            whole = folder / "celebahq" / "fake" / "p2" / split / f"{i}.png"
            whole.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((32, 32), 60).convert("RGB").save(whole)
    for path in folder.glob("celebahq/fake/*/masks/*/*"):
        Image.open(path).convert("RGB").save(path)


def backbones(folder):
    """An open_clip checkpoint and ResNet-18's weights, both random."""
    clip, resnet = folder / "tiny-clip", folder / "resnet18"
    clip.mkdir(parents=True), resnet.mkdir()
    torch.manual_seed(0)
    preprocess = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28], "interpolation": "bicubic", "size": 32}
    (clip / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP, "preprocess_cfg": preprocess}))
    save_file(open_clip.CLIP(**CLIP).state_dict(), clip / "open_clip_model.safetensors")
    save_file(torchvision.models.resnet18().state_dict(), resnet / "model.safetensors")
    return f"open_clip:{clip}", f"resnet18:{resnet}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The chapter beside a profiles.yaml with small numbers, and the archive where a download would put it."""
    root = tmp_path_factory.mktemp("paper")
    (root / "book").mkdir()
    for path in (ROOT / "data_manifest.yaml", *(ROOT / "book").glob("*.yaml"), ROOT / "book" / f"{CHAPTER}.ipynb"):
        shutil.copy(path, root / path.relative_to(ROOT))
    clip, resnet = backbones(root / "weights")
    table = root / "book" / "profiles.yaml"
    profiles = yaml.safe_load(table.read_text())
    paper = profiles["paper"][CHAPTER]
    paper["limit"] = COUNTS
    paper["recipe"] |= {"epochs": 2, "batch_size": 24}
    paper["linear"]["backbone"], paper["pretrained"]["backbone"] = clip, resnet
    paper["pretrained"] |= {"size": 32, "unfrozen_lrs": paper["pretrained"]["unfrozen_lrs"][:1]}
    paper["scratch"], paper["forgers"] = {"blocks": [1, 1, 1]}, FORGERS
    paper |= {"seeds": 1, "better_seeds": 1, "draws": 100, "tsne": 8, "contract": {"drift_frozen": [0, 0]}}
    table.write_text(yaml.safe_dump(profiles))
    archive(root / "made" / "wacv_data")
    shutil.make_archive(root / "data" / "dolos" / "dolos-data", "zip", root / "made")
    return root


def test_chapter_12_on_dolos(checkout):
    """The two commands of the README, with two processes on the CPU (gloo)."""
    fetch = [sys.executable, "-m", "fakebook.cli", "data", "fetch", "dolos", "--quiet"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    chapter = ["-m", "fakebook.book.run", CHAPTER, "profile=paper", "seed=0", "data=dolos"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FAKEBOOK_")}
    environment |= {"FAKEBOOK_BUILD": str(checkout / "build"), "FAKEBOOK_DATA": str(checkout / "data")}
    environment |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    for command in (fetch, torchrun + chapter):
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count(f"{CHAPTER}-dolos  done in") == 1, "one of the two processes speaks"

    results = checkout / "build" / "results" / "paper" / f"{CHAPTER}-dolos"
    run = json.loads((results / "run.json").read_text())
    assert set(run["provenance"]["data_hashes"]) >= {"dolos/train", "dolos/valid", "dolos/test"}
    numbers = json.loads((results / "numbers.json").read_text())["numbers"]
    assert all(math.isfinite(number["value"]) for number in numbers.values())
    assert numbers["photographs_train"]["value"] == COUNTS["train"]
    for table in ("table_1", "table_2", "table_3"):
        matrix = pd.read_csv(results / f"{table}.csv", index_col=0)
        assert matrix.index.tolist() == matrix.columns.tolist() == FORGERS
    here = pd.read_csv(results / "detectives.csv", index_col=0)["here"]
    assert here["linear"] == "linear on CLIP (tiny-clip)" and here["pretrained"].startswith("ResNet-18 (ImageNet)")
    assert (checkout / "build" / "executed" / "paper" / f"{CHAPTER}-dolos.ipynb").is_file()
    # Each model was trained once, by both processes together.
    models = [path.stem for path in (checkout / "build" / "models").glob("*.safetensors")]
    assert len(models) == len(set(models)) and not [name for name in models if "checkpoint" in name]
