"""A gradient for every parameter, in one order, whatever a batch leaves out."""

from __future__ import annotations

from typing import Any

import torch
from torch.distributed.tensor import DTensor


class EveryParameter:
    """Makes a batch that uses only a part of a model's parameters touch all of them.

    A batch without context leaves some parameters out. Processes that add up gradients in the order
    in which they arrive, as ZeRO's do, would then add what does not belong together or wait for
    ever, and an optimizer that counts steps by parameter would count otherwise than one that
    shares its state out. So all parameters are touched before anything else is computed, and since
    gradients flow backwards, every gradient is complete, in this order, when all else is done.

    Attributes:
        nothing: zero, to be added to the loss.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        """
        Args:
            model: already wrapped. Parameters that ZeRO-3 and FSDP share out are not there to be
                touched, and must be of modules that every batch calls.
        """
        self.nothing = torch.zeros(())
        # ZeRO-3 takes those that it keeps whole for released until each module was called in turn;
        # told that other modules use them, it leaves them whole.
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
