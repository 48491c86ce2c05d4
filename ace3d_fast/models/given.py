"""Networks as users give them: inside a wrapper that trains them, or not made for what is done here."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ace3d_fast.errors import InputError, expected, first_line, kind_and_line

LOGITS = "to be logits (N, K)"
MAKE_LOGITS = "let the network return them, or give a target that makes a number of what it returns"


def bare(module: nn.Module) -> nn.Module:
    """The network inside ``DataParallel``, ``DistributedDataParallel`` and ``torch.compile``.

    Layers have their names there, and hooks are called at each forward.

    Raises
    ------
    InputError
        It is TorchScript, whose parts take no hooks.
    """
    while True:
        wrapped = isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel)
        inside = module.module if wrapped else getattr(module, "_orig_mod", None)
        if not isinstance(inside, nn.Module):
            break
        module = inside
    if isinstance(module, torch.jit.ScriptModule):
        fact = f"TorchScript ({type(module).__name__})"
        todo = "give the network that it was made from"
        raise InputError(expected("Network", "the network", "to be a module of Python", fact, todo))
    return module


class KeepGradients(TorchFunctionMode):
    """Where a network's own ``torch.no_grad()``, around a frozen part say, does nothing while ``on``."""

    def __init__(self, *, on: bool = True) -> None:
        super().__init__()
        self.on = on

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Leave out calls that switch gradients on or off."""
        if self.on and function is torch._C._set_grad_enabled:
            return None
        return function(*args, **(kwargs or {}))


def not_taken(where: str, module: nn.Module, clip: Tensor, error: Exception) -> InputError:
    """What to say where ``error`` came out of a forward of ``clip``, (1, 3, T, H, W) float32."""
    num_frames, side = clip.shape[2], clip.shape[3]
    requirement = f"to take a clip of {num_frames} frames of {side} px, (N, C, T, H, W) = {tuple(clip.shape)}"
    others = {value.dtype for value in module.parameters() if value.is_floating_point()} - {torch.float32}
    todo = "set --clip-frames and --size to what it was trained on"
    if others:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in others))
        todo = f"its weights are {names} and clips float32: call its .float() first"
    return InputError(expected(where, "the network", requirement, kind_and_line(error), todo))


def find_device(name: str) -> torch.device:
    """The device ``name``.

    Raises
    ------
    InputError
        Where torch has none of that name, or cannot use it here.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:  # whose message lists every kind of device that torch has heard of
        raise InputError(expected("Network", "device", "to be cpu or cuda", repr(name))) from error
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            expected("Network", "device", "to be one that torch can use here", repr(name), first_line(error))
        ) from error
    return device
