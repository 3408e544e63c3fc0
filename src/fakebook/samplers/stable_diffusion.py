"""Stable Diffusion through diffusers [@rombach2022ldm]: the published one, or a tiny one with random weights."""

import tempfile
from pathlib import Path

import huggingface_hub
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from fakebook.errors import UserError
from fakebook.samplers.schedules import Schedule

PUBLISHED = "stable-diffusion-v1-5/stable-diffusion-v1-5"
WANTED, UNWANTED = ["*.json", "*.txt", "*.safetensors"], ["safety_checker/*", "*.fp16.*", "*.non_ema.*"]
LETTERS = [chr(code) for code in range(33, 127)]


def schedule(steps: int = 1000) -> Schedule:
    """The schedule that it was trained on: √β rises evenly."""
    return Schedule(torch.linspace(0.00085**0.5, 0.012**0.5, steps, dtype=torch.float64).square())


def scheduler() -> DDIMScheduler:
    """DDIM on that schedule with the conventions of `fakebook.samplers`: trailing times, the last step to the image."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,  # read by other spacings; asked for all the same
        timestep_spacing="trailing",
    )


def load(source: str | Path = PUBLISHED, device: str | torch.device = "cpu") -> StableDiffusionPipeline:
    """A pipeline from a folder in diffusers' layout, or by its name from the network; safetensors only.

    In half precision on a GPU. Without its filter of what may be shown: the book asks for drawings of faces only.

    Raises:
        UserError: no such folder, and no network or nothing of that name.
    """
    try:
        pipeline = StableDiffusionPipeline.from_pretrained(
            str(source),
            use_safetensors=True,
            safety_checker=None,
            requires_safety_checker=False,
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"Stable Diffusion cannot be loaded from {source}: {reason}") from error
    half = torch.device(device).type == "cuda"
    return _quiet(pipeline).to(device, torch.float16 if half else torch.float32)


def fetch(data_home: str | Path) -> None:
    """Download the published one into a folder that `load` takes: safetensors and what belongs to them, 4.3 GB.

    What is there already is not fetched again.

    Raises:
        OSError: no network.
    """
    huggingface_hub.snapshot_download(PUBLISHED, local_dir=data_home, allow_patterns=WANTED, ignore_patterns=UNWANTED)


def tiny(seed: int = 0) -> StableDiffusionPipeline:
    """All parts of Stable Diffusion with random weights and next to no width: for 64-pixel images, 8 x 8 latents and
    captions that are spelled letter by letter. It paints nothing, and runs in a moment.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(16, 32),
            norm_num_groups=8,
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=8,
        )
        vae = AutoencoderKL(
            sample_size=64,
            latent_channels=4,
            block_out_channels=(8, 16, 16, 16),
            norm_num_groups=8,
            layers_per_block=1,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        )
        vocabulary = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
        text = CLIPTextConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            bos_token_id=len(vocabulary) - 2,
            eos_token_id=len(vocabulary) - 1,
        )
        encoder = CLIPTextModel(text)
    with tempfile.TemporaryDirectory() as folder:
        CLIPTokenizer({word: number for number, word in enumerate(vocabulary)}, []).save_pretrained(folder)
        tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=77)
    return _quiet(
        StableDiffusionPipeline(
            vae=vae.eval(),
            text_encoder=encoder.eval(),
            tokenizer=tokenizer,
            unet=unet.eval(),
            scheduler=scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def _quiet(pipeline: StableDiffusionPipeline) -> StableDiffusionPipeline:
    pipeline.scheduler = scheduler()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
