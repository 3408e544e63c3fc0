"""A denoiser that needs no network: the best guess of an image, if images were drawn from a mixture of Gaussians."""

import torch
from torch import Tensor, nn

from fakebook.models.autoencoder import PCA


class MixtureDenoiser(nn.Module):
    """E[x | x_t] where x_t = √ᾱ_t x + √(1 - ᾱ_t) ε, if images were drawn from a mixture of Gaussians that share one
    covariance. Nothing in it is trained by gradients.

    Given its component k, an image is seen through a Wiener filter: along a principal direction of variance λ its mean
    is m_k + √ᾱ λ / (ᾱ λ + 1 - ᾱ) (x_t - √ᾱ m_k). The probabilities of the components given x_t, by Bayes' rule, weigh
    the filters. With one component it is the best linear denoiser, which at high noise every good one is close to
    [@wang2024gaussian].

    Args:
        images: (N, C, H, W).
        groups: (N,) int64, the component of each, from 0; every one has members.
        directions: how many principal directions of the covariance are kept; the others share what variance is left.
        alphas_bar: ᾱ, (T,), float64.

    Raises:
        ValueError: a component without members.
    """

    def __init__(self, images: Tensor, groups: Tensor, directions: int, alphas_bar: Tensor):
        super().__init__()
        flat, counts = images.flatten(1), torch.bincount(groups)
        if not counts.all():
            raise ValueError(f"component {int((counts == 0).nonzero()[0])} has no members: number them from 0")
        means = flat.new_zeros(len(counts), flat.shape[1]).index_add_(0, groups, flat) / counts[:, None]
        within = flat - means[groups]
        pca = PCA(within.view_as(images), directions)
        left = within.square().mean(0).sum() - pca.variances.sum()
        self.register_buffer("means", means)
        self.register_buffer("directions", pca.components)
        self.register_buffer("variances", pca.variances)
        self.register_buffer("rest", (left / max(1, flat.shape[1] - directions)).clamp(min=0))
        self.register_buffer("log_shares", (counts / len(flat)).to(flat).log())
        self.register_buffer("alphas_bar", alphas_bar.to(flat))

    def components(self, x: Tensor, t: Tensor) -> Tensor:
        """p(k | x_t), (B, K), of x_t (B, C, H, W) and indices t (B,)."""
        bar, flat = self._bar(t), x.flatten(1)
        off = (flat @ self.directions)[:, None] - bar.sqrt()[:, None] * (self.means @ self.directions)  # (B, K, J)
        whole = bar * self.means.square().sum(1) - 2 * bar.sqrt() * (flat @ self.means.T)
        whole = whole + flat.square().sum(1, keepdim=True)  # ‖x_t - √ᾱ m_k‖²
        along, rest = (bar * v + 1 - bar for v in (self.variances, self.rest))
        squared = (off.square() / along[:, None]).sum(2) + (whole - off.square().sum(2)) / rest
        return (self.log_shares - squared / 2).softmax(1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """x_t (B, C, H, W) and indices t (B,), between which ᾱ is interpolated, to images (B, C, H, W)."""
        with torch.autocast(x.device.type, enabled=False):  # at low noise what is left is less than 16 bits can say
            x, bar = x.to(self.means), self._bar(t)
            mean = self.components(x, t) @ self.means
            off = x.flatten(1) - bar.sqrt() * mean
            along, rest = (bar.sqrt() * v / (bar * v + 1 - bar) for v in (self.variances, self.rest))
            found = mean + rest * off + ((along - rest) * (off @ self.directions)) @ self.directions.T
        return found.view_as(x)

    def _bar(self, t: Tensor) -> Tensor:
        """ᾱ at t, (B, 1)."""
        before, part = t.long(), t - t.long()
        after = (before + 1).clamp(max=len(self.alphas_bar) - 1)
        return torch.lerp(self.alphas_bar[before], self.alphas_bar[after], part.to(self.alphas_bar))[:, None]
