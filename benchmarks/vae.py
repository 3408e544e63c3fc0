"""Training and sampling a VAE of faces: fakebook beside pythae, in one process, on the same faces and the same bound.

    pip install pythae
    python benchmarks/vae.py [--images 2000] [--epochs 2] [--threads 1]

Both minimise ½ ‖x - x̂‖² + KL on pixels in [0, 1], with c = 1 (on ours, which lie in [-1, 1], c = 4), at a learning
rate of 1e-3 in batches of 32. Two pairs: fully connected networks of the very same layers, and convolutional ones of
as many weights, pythae's own residual network for faces of 64x64 beside ours on patches. Rounds are interleaved;
speeds are the best of the rounds, losses those of the first.
"""

import argparse
import contextlib
import io
import logging
import tempfile
import time
from dataclasses import dataclass

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE as TheirVAE
from pythae.models import VAEConfig
from pythae.models.nn.benchmarks.celeba import Decoder_ResNet_AE_CELEBA, Encoder_ResNet_VAE_CELEBA
from pythae.samplers import NormalSampler
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor

from fakebook.data import load
from fakebook.models.autoencoder import ConvConfig
from fakebook.models.vae import VAE, conv_vae, dense_vae
from fakebook.objectives.likelihood import gaussian_kl, negative_elbo
from fakebook.training import Phase, fit

LATENT, BATCH = 64, 32


@dataclass
class Run:
    """One training: images a second, held-out bound after it, seconds to a target, images drawn in a second."""

    speed: float
    loss: float
    reached: float
    sampling: float


def held_out(x: Tensor, x_hat: Tensor, mean: Tensor, log_variance: Tensor) -> float:
    """½ ‖x - x̂‖² + KL on pixels in [0, 1], decoded from the mean."""
    return (0.5 * (x - x_hat).square().flatten(1).sum(1) + gaussian_kl(mean, log_variance).sum(1)).mean().item()


def theirs(build, train: Tensor, test: Tensor, epochs: int, draws: int) -> Run:
    torch.manual_seed(0)
    network = build()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        settings = BaseTrainerConfig(folder, BATCH, BATCH, num_epochs=epochs, learning_rate=1e-3, no_cuda=True)
        data = BaseDataset((train + 1) / 2, torch.zeros(len(train)))
        trainer = BaseTrainer(network, data, training_config=settings)
        trainer.prepare_training()
        start = time.perf_counter()
        for epoch in range(1, epochs + 1):
            trainer.train_step(epoch)
        seconds = time.perf_counter() - start
    network.eval()
    with torch.inference_mode():
        x = (test + 1) / 2
        encoded = network.encoder(x)
        x_hat = network.decoder(encoded.embedding).reconstruction.reshape(x.shape)
        loss = held_out(x, x_hat, encoded.embedding, encoded.log_covariance)
    start = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):
        NormalSampler(network).sample(draws, batch_size=BATCH, return_gen=True)
    return Run(epochs * len(train) / seconds, loss, seconds, draws / (time.perf_counter() - start))


def ours(build, train: Tensor, test: Tensor, epochs: int, draws: int, target: float) -> Run:
    torch.manual_seed(0)
    network: VAE = build()
    reached, looking, start = [], [0.0], time.perf_counter()

    def bound() -> float:
        with torch.inference_mode():
            mean, log_variance = network.posterior(test)
            return held_out((test + 1) / 2, (network.decode(mean) + 1) / 2, mean, log_variance)

    def watch(step, _):
        before = time.perf_counter()
        if not reached and bound() <= target:
            reached.append(before - start - looking[0])
        looking[0] += time.perf_counter() - before

    phase = Phase(lambda vae, x, rng: negative_elbo(vae, x, rng, c=4.0), lr=1e-3, warmup=20)
    steps = epochs * len(train) // BATCH
    fit(
        network,
        phase,
        train,
        steps=steps,
        batch_size=BATCH,
        watch=watch,
        watch_every=max(1, steps // 20),
        progress=False,
    )
    seconds = time.perf_counter() - start - looking[0]
    loss = bound()
    rng = torch.Generator().manual_seed(0)
    start = time.perf_counter()
    with torch.inference_mode():
        for _ in range(draws // BATCH):
            network.sample(BATCH, rng)
    return Run(
        steps * BATCH / seconds, loss, reached[0] if reached else float("nan"), draws / (time.perf_counter() - start)
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--draws", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=["dense", "convolutional"], default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    logging.disable(logging.WARNING)
    images = load("faces", limit=arguments.images + 200, framing="close").images
    train, test = images[:-200], images[-200:]
    config = VAEConfig(input_dim=(3, 64, 64), latent_dim=LATENT)
    conv = ConvConfig(size=64, code=LATENT, patch=4, widths=(64, 96, 136))
    pairs = {
        "dense": (lambda: TheirVAE(config), lambda: dense_vae((3, 64, 64), LATENT, (512,))),
        "convolutional": (
            lambda: TheirVAE(config, Encoder_ResNet_VAE_CELEBA(config), Decoder_ResNet_AE_CELEBA(config)),
            lambda: conv_vae(conv),
        ),
    }
    print(f"torch {torch.__version__}, {arguments.threads} thread(s), {len(train)} faces, {arguments.epochs} epochs")
    for name, (their_build, our_build) in pairs.items():
        if arguments.only in (None, name):
            sizes = [sum(p.numel() for p in build().parameters()) / 1e6 for build in (their_build, our_build)]
            rounds = []
            for _ in range(arguments.rounds):
                a = theirs(their_build, train, test, arguments.epochs, arguments.draws)
                rounds.append((a, ours(our_build, train, test, arguments.epochs, arguments.draws, a.loss)))
            their_best, our_best = (max(run.speed for run in side) for side in zip(*rounds, strict=True))
            their_draw, our_draw = (max(run.sampling for run in side) for side in zip(*rounds, strict=True))
            a, b = rounds[0]
            print(f"{name}: weights {sizes[0]:.1f} M pythae, {sizes[1]:.1f} M fakebook")
            print(f"  training, images/s        {their_best:9.1f} {our_best:9.1f}   ratio {our_best / their_best:.2f}")
            print(f"  held-out bound, nats      {a.loss:9.1f} {b.loss:9.1f}")
            print(f"  seconds to pythae's bound {a.reached:9.1f} {b.reached:9.1f}   ratio {a.reached / b.reached:.2f}")
            print(f"  sampling, images/s        {their_draw:9.1f} {our_draw:9.1f}   ratio {our_draw / their_draw:.2f}")


if __name__ == "__main__":
    main()
