"""PyTorch's training steps and forward passes: eager, contiguous or channels last, or compiled; fused SGD."""

import itertools
from typing import Any

import torch

from bench.nets import DECAY, INFERENCE, MOMENTUM, RATE, Net, find
from bench.workers import torch_models
from bench.workers.data import batches
from bench.workers.serve import Made, Work

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def prepare(threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    return {"versions": {"torch": torch.__version__}, "torch instructions": torch.backends.cpu.get_cpu_capability()}


def make(job: dict[str, Any]) -> Made:
    """A net's step or forward pass in the job's ``layout``, compiled if it says so."""
    net, layout = find(job["group"], job["net"], job["batch"]), LAYOUTS[job["layout"]]
    torch.manual_seed(1)
    model = getattr(torch_models, net.model)().to(memory_format=layout)
    data = [(_images(x, layout), torch.from_numpy(y)) for x, y in batches(net)]
    facts = {"parameters": sum(p.numel() for p in model.parameters())}
    if job["group"] == INFERENCE:
        return Made({job["name"]: _inference(model, data[0][0], job["compile"])}, facts)
    return Made({job["name"]: _step(net, model, data, job["compile"])}, facts)


def _images(x: Any, layout: torch.memory_format) -> torch.Tensor:
    """An array, channels last, as PyTorch takes it; whatever has no channels as it is."""
    tensor = torch.from_numpy(x)
    return tensor if x.ndim == 2 else tensor.permute(0, 3, 1, 2).contiguous(memory_format=layout)


def _inference(model: torch.nn.Module, x: torch.Tensor, compiled: bool) -> Work:
    model.eval()
    forward = torch.compile(model) if compiled else model

    def work() -> None:
        with torch.inference_mode():
            forward(x)

    return work


def _step(net: Net, model: torch.nn.Module, data: list[tuple[torch.Tensor, torch.Tensor]], compiled: bool) -> Work:
    def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if net.autoencoder:
            return torch_models.reconstruction_loss(model(x), x)
        return torch_models.classification_loss(model(x), y)

    evaluate = torch.compile(loss_of) if compiled else loss_of
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, fused=True)
    turns = itertools.cycle(data)

    def step() -> float:
        loss = evaluate(*next(turns))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step
