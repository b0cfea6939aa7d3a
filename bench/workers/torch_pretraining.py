"""PyTorch's side of `bench.pretraining`: the same by its operations, without gradients where none are needed."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from bench.pretraining import BATCH, INPUTS, RATE, SAMPLES, UNITS
from bench.workers.data import digits
from bench.workers.serve import Made


def prepare(threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    return {"versions": {"torch": torch.__version__}}


def make(job: dict[str, Any]) -> Made:
    """An epoch; the work returns the last mini-batch's loss."""
    x = torch.from_numpy(digits(SAMPLES)[0])
    step = {"cd": contrastive_divergence, "denoising": denoising}[job["case"]]()

    def work() -> float:
        loss = torch.zeros(())
        for indices in torch.randperm(SAMPLES).split(BATCH):
            loss = step(x[indices])
        return float(loss)

    return Made({"torch": work}, {})


def contrastive_divergence() -> Callable[[torch.Tensor], torch.Tensor]:
    """CD-1 with sampled states, updated in place by the fused products of `addmm_`."""
    weights, b, c = 0.01 * torch.randn(INPUTS, UNITS), torch.zeros(INPUTS), torch.zeros(UNITS)
    rate = RATE / BATCH

    @torch.no_grad()
    def step(v0: torch.Tensor) -> torch.Tensor:
        h0 = torch.sigmoid(torch.addmm(c, v0, weights))
        mean = torch.sigmoid(torch.addmm(b, torch.bernoulli(h0), weights.t()))
        v1 = torch.bernoulli(mean)
        h1 = torch.sigmoid(torch.addmm(c, v1, weights))
        weights.addmm_(v0.t(), h0, alpha=rate).addmm_(v1.t(), h1, alpha=-rate)
        b.add_((v0 - v1).sum(0), alpha=rate)
        c.add_((h0 - h1).sum(0), alpha=rate)
        return functional.mse_loss(mean, v0, reduction="sum")

    return step


def denoising() -> Callable[[torch.Tensor], torch.Tensor]:
    """A tied autoencoder of sigmoid units on masked inputs, cross-entropy, fused SGD."""
    weights = torch.nn.Parameter(0.01 * torch.randn(INPUTS, UNITS))
    b, c = torch.nn.Parameter(torch.zeros(INPUTS)), torch.nn.Parameter(torch.zeros(UNITS))
    optimiser = torch.optim.SGD([weights, b, c], lr=RATE, fused=True)

    def step(x: torch.Tensor) -> torch.Tensor:
        hidden = torch.sigmoid(torch.addmm(c, x * (torch.rand_like(x) > 0.3), weights))
        logits = torch.addmm(b, hidden, weights.t())
        loss = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step
