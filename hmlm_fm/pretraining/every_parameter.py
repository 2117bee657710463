"""A gradient for every parameter, in one order, whichever parts of the model a batch uses."""

from __future__ import annotations

from typing import Any

import torch
from torch.distributed.tensor import DTensor


class EveryParameter:
    """Makes a batch that uses only a part of a model's parameters touch all of them.

    A batch without context does not use some parameters. Processes that sum gradients in the order
    in which they arrive, as ZeRO's do, would then sum those of different parameters or wait for
    ever, and an optimizer that counts steps by parameter would count differently from one with a
    sharded state. So all parameters are touched before anything else is computed, and since
    gradients flow backwards, every gradient is complete, in this order, when all else is done.

    Attributes:
        nothing: zero, to be added to the loss.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        """
        Args:
            model: already wrapped. Parameters that ZeRO-3 and FSDP shard cannot be touched, and
                must be of modules that every batch calls.
        """
        self.nothing = torch.zeros(())
        # ZeRO-3 releases even the parameters that it keeps whole until their module is called;
        # those that are marked as used by other modules stay whole.
        for parameter in model.parameters():
            if getattr(parameter, "ds_persist", False):
                parameter.is_external_param = True  # type: ignore[attr-defined]
        model.register_forward_pre_hook(self._touch)

    def _touch(self, model: torch.nn.Module, _: Any) -> None:
        if model.training and torch.is_grad_enabled():
            whole = [
                p
                for p in model.parameters()
                if getattr(p, "ds_persist", True) and not isinstance(p, DTensor)
            ]
            absent = [p for p in whole if not p.numel()]
            if absent:
                absent[0].all_gather(absent)  # type: ignore[attr-defined]
            self.nothing = 0 * torch.stack([p.sum() for p in whole]).sum()
