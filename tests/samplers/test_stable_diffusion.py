"""Stable Diffusion's parts: a pipeline in its layout goes through the loader, and our sampler draws what it draws."""

import shutil

import huggingface_hub
import pytest
import torch
from diffusers import DDIMScheduler

from fakebook.data import fetch, manifest
from fakebook.errors import UserError
from fakebook.samplers import diffusion, stable_diffusion
from fakebook.samplers.guidance import guided


@pytest.fixture(scope="module")
def pipeline():
    return stable_diffusion.tiny()


def test_the_schedule_is_that_of_diffusers():
    theirs = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    torch.testing.assert_close(stable_diffusion.schedule().alphas_bar.float(), theirs.alphas_cumprod, rtol=1e-5, atol=0)


def test_the_same_seed_builds_the_same_pipeline(pipeline):
    again, other = stable_diffusion.tiny().unet.state_dict(), stable_diffusion.tiny(1).unet.state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in pipeline.unet.state_dict().items())
    assert not torch.equal(again["conv_in.weight"], other["conv_in.weight"])


def test_our_guidance_and_our_ddim_draw_what_the_pipeline_draws(pipeline):
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    options = {"num_inference_steps": 5, "guidance_scale": 3.5, "latents": start, "output_type": "latent"}
    theirs = pipeline("a face with glasses", **options).images
    told, nothing = (embed(pipeline, text) for text in ("a face with glasses", ""))

    def predict(x, t, words):
        return pipeline.unet(x, t, encoder_hidden_states=words).sample

    noise = guided(predict, {"words": told}, {"words": nothing}, 3.5)
    steps = stable_diffusion.schedule().respaced(5, spacing="trailing")
    with torch.inference_mode():
        *_, ours = diffusion.ddim(noise, start, steps)
    assert (theirs - start).abs().mean() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_a_folder_in_diffusers_layout_is_loaded(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    loaded = stable_diffusion.load(tmp_path)
    for part in ("unet", "vae", "text_encoder"):
        again = getattr(loaded, part).state_dict()
        assert all(torch.equal(weight, again[name]) for name, weight in getattr(pipeline, part).state_dict().items())
    options = {"num_inference_steps": 2, "output_type": "np"}
    pictures = [p("a face", generator=torch.Generator().manual_seed(0), **options).images for p in (pipeline, loaded)]
    assert pictures[0].shape == (1, 64, 64, 3)
    assert (pictures[0] == pictures[1]).all()


def test_what_is_fetched_is_what_the_loader_needs(pipeline, tmp_path, monkeypatch):
    """The published folder holds more: other precisions, other formats, a filter of what may be shown."""
    pipeline.save_pretrained(tmp_path / "hub")
    for extra in ("unet/diffusion_pytorch_model.fp16.safetensors", "unet/model.bin", "safety_checker/config.json"):
        (tmp_path / "hub" / extra).parent.mkdir(exist_ok=True)
        (tmp_path / "hub" / extra).write_text("{}")

    def snapshot(repository, local_dir, allow_patterns, ignore_patterns):
        names = [path.relative_to(tmp_path / "hub") for path in (tmp_path / "hub").rglob("*") if path.is_file()]
        patterns = {"allow_patterns": allow_patterns, "ignore_patterns": ignore_patterns}
        for name in huggingface_hub.utils.filter_repo_objects([str(name) for name in names], **patterns):
            (local_dir / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / "hub" / name, local_dir / name)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setenv("FAKEBOOK_DATA", str(tmp_path / "data"))
    folder = fetch.fetch(manifest.load().entry("stable_diffusion"))[0]
    assert not list(folder.rglob("*fp16*")) + list(folder.rglob("*.bin")) + list(folder.rglob("safety_checker"))
    again = stable_diffusion.load(folder).unet.state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in pipeline.unet.state_dict().items())


def test_what_is_not_there_is_said_in_a_line(tmp_path):
    with pytest.raises(UserError, match=r"Stable Diffusion cannot be loaded from .*missing: ") as error:
        stable_diffusion.load(tmp_path / "missing")
    assert "\n" not in str(error.value)


def embed(pipeline, text):
    options = {"padding": "max_length", "max_length": 77, "truncation": True, "return_tensors": "pt"}
    with torch.inference_mode():
        return pipeline.text_encoder(pipeline.tokenizer(text, **options).input_ids)[0]
