"""A training step on a GPU as one CUDA graph: launched once, where Python would launch some hundred kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Step = Callable[[], tuple[Tensor, ...]]
WARM = 3  # steps before the capture, in which libraries find their algorithms and memory


def captured(step: Step, parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer) -> Step:
    """A function that replays `step` and returns the tensors that it returned, with their new values.

    step: forward, backward and update, without a look at a number. Parameters and the optimizer's state are afterwards
    what they were before.
    """
    kept = [p.detach().clone() for p in parameters]
    states = {id(t): t.clone() for own in optimizer.state.values() for t in own.values() if isinstance(t, Tensor)}
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = step()
    with torch.no_grad():
        for p, value in zip(parameters, kept, strict=True):
            p.copy_(value)
        for own in optimizer.state.values():
            for t in own.values():
                if isinstance(t, Tensor):  # what a first step would have made of nothing starts from zero
                    t.copy_(states.get(id(t), torch.zeros_like(t)))

    def replay() -> tuple[Tensor, ...]:
        graph.replay()
        return found

    return replay
