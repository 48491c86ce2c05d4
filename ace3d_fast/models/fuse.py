"""A convolution, its batch norm and ReLU in one call, where nothing else reads what is between them.

In evaluation mode a batch norm multiplies and shifts each channel, which weights and bias of the convolution
before it can do (Jacob et al. 2018, arXiv 1712.05877, §3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from ace3d_fast.models.layout import convolve, fast_convolutions, fast_parts


@dataclass(frozen=True, slots=True)
class Chain:
    """Names of parts that run one after the other, each once in a forward.

    Attributes
    ----------
    conv, norm : str
    relu : str or None
        None where what follows is no ReLU, or not all that reads what the batch norm puts out.
    """

    conv: str
    norm: str
    relu: str | None


@dataclass
class _Output:
    """What a part put out, how many operations read it, and the part that took it.

    Tensors are known by their storage, which views and ``.data`` share; while it is referred to, if weakly,
    no other has its address.
    """

    storage: StorageWeakRef
    num_reads: int = 0
    taken_by: str | None = None


class _Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, each operation of a forward is looked at: which parts' outputs does it read?

    Parameters
    ----------
    module : torch.nn.Module
        Whose forward it is.
    convs : sequence of torch.nn.Conv3d
        With which chains may begin.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: for that torch would import its compiler, which takes seconds."""
        return False

    def __init__(self, module: nn.Module, convs: Sequence[nn.Conv3d]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        begins = set(convs)
        self._names = {
            part: name
            for name, part in module.named_modules()
            if part in begins or type(part) is nn.ReLU or _is_fixed_norm(part)
        }
        self._outputs: dict[str, list[_Output]] = {}
        self._watched: dict[int, _Output] = {}  # by the address of the storage
        self._handles: list[Any] = []

    def __enter__(self) -> _Trace:
        for part in self._names:
            self._handles.append(part.register_forward_pre_hook(self._take))
            self._handles.append(part.register_forward_hook(self._put))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for handle in self._handles:
            handle.remove()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in tree_iter((args, kwargs)):
            output = self._output_of(value)
            if output is not None:
                output.num_reads += 1
        return function(*args, **(kwargs or {}))

    def chains(self) -> list[Chain]:
        """What of it is to run as one; after the forward."""
        kinds = {name: type(part) for part, name in self._names.items()}

        def follower(name: str, kind: type[nn.Module]) -> str | None:
            """The one reader of the one output of ``name``, if of this kind and run once."""
            outputs = self._outputs.get(name, [])
            if len(outputs) != 1 or outputs[0].num_reads != 1:
                return None
            taker = outputs[0].taken_by
            fits = taker is not None and kinds[taker] is kind and len(self._outputs.get(taker, [])) == 1
            return taker if fits else None

        found = []
        for name, kind in kinds.items():
            norm = follower(name, nn.BatchNorm3d) if kind is nn.Conv3d else None
            if norm is not None:
                found.append(Chain(name, norm, follower(norm, nn.ReLU)))
        return found

    def _output_of(self, value: Any) -> _Output | None:
        return self._watched.get(value.untyped_storage()._cdata) if isinstance(value, Tensor) else None

    def _take(self, part: nn.Module, inputs: tuple[Any, ...]) -> None:
        output = self._output_of(inputs[0]) if inputs else None
        if output is not None:
            output.taken_by = self._names[part]

    def _put(self, part: nn.Module, _inputs: Any, value: Any) -> None:
        # What works in place puts out what it took: whoever reads that from here on reads the new value.
        storage = value.untyped_storage()
        output = _Output(StorageWeakRef(storage))  # type: ignore[no-untyped-call]
        self._outputs.setdefault(self._names[part], []).append(output)
        self._watched[storage._cdata] = output


class FastForward:
    """Forwards of ``module``: convolutions by oneDNN, and chains of parts in one call each.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode.
    enabled : bool
        Else forwards are torch's own.
    """

    def __init__(self, module: nn.Module, *, enabled: bool) -> None:
        self._module = module
        self._convs = fast_parts(module) if enabled else []
        self._chains: Sequence[Chain] | None = None
        self._parts: list[tuple[nn.Conv3d, list[nn.Module]]] = []  # of the chains: what begins, what follows
        if not self._convs or not any(map(_is_fixed_norm, module.modules())):
            self._use(())

    def twin(self, module: nn.Module) -> FastForward:
        """The same for a copy of the module."""
        other = FastForward(module, enabled=len(self._convs) > 0)
        if self._chains is not None:
            other._use(self._chains)
        return other

    @property
    def chains(self) -> Sequence[Chain] | None:
        """What runs as one; None before a forward was traced."""
        return self._chains

    def trace(self, forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor | None:
        """What a whole forward makes of the clip ``x``, looked at to find the chains of all that follow.

        None where that is known, and where the forward fails; then nothing is fused.
        """
        if self._chains is not None:
            return None
        self._use(())
        trace = _Trace(self._module, self._convs)
        try:
            with trace:
                result = forward(x)
        except Exception:  # the network's own too: it is seen in the forward that follows
            return None
        self._use(trace.chains())
        return result

    def trace_once(self, forward: Callable[[Tensor], Tensor], x: Tensor) -> None:
        """Trace a forward of one of the clips ``x`` before their first, so that all of them are alike."""
        if len(x):
            self.trace(forward, x[:1])

    def _use(self, chains: Sequence[Chain]) -> None:
        self._chains = chains
        self._parts = []
        for chain in chains:
            conv = self._module.get_submodule(chain.conv)
            assert isinstance(conv, nn.Conv3d)
            after = [name for name in (chain.norm, chain.relu) if name is not None]
            self._parts.append((conv, [self._module.get_submodule(name) for name in after]))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Forwards are fast inside the ``with`` block, with the weights that there are at its beginning.

        A chain with hooks between its parts, or with a forward of its own, runs part by part.
        """
        with fast_convolutions(self._convs):
            passed: list[nn.Module] = []
            try:
                for conv, after in self._parts:
                    if _can_run(conv, after):
                        weight, bias = _folded(conv, after[0])
                        vars(conv)["_conv_forward"] = partial(_run, conv, weight, bias, len(after) > 1)
                        for part in after:
                            vars(part)["forward"] = _pass_on
                        passed += after
                yield
            finally:
                for part in passed:
                    del vars(part)["forward"]


def _is_fixed_norm(part: nn.Module) -> bool:
    """Whether it normalises by what it has learned, not by the clips it is given."""
    return type(part) is nn.BatchNorm3d and not part.training and part.running_mean is not None


def _can_run(conv: nn.Conv3d, after: Sequence[nn.Module]) -> bool:
    hooks = any(part._forward_hooks or part._forward_pre_hooks for part in (conv, after[0]))
    return not hooks and _is_fixed_norm(after[0]) and all("forward" not in vars(part) for part in after)


def _folded(conv: nn.Conv3d, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of both."""
    assert isinstance(norm, nn.BatchNorm3d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        factor = torch.rsqrt(norm.running_var + norm.eps)
        if norm.affine:
            factor *= norm.weight
        bias = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
        bias *= factor
        if norm.affine:
            bias += norm.bias
        return conv.weight * factor.view(-1, 1, 1, 1, 1), bias


def _run(
    conv: nn.Conv3d, weight: Tensor, bias: Tensor, relu: bool, x: Tensor, *_own: Tensor | None
) -> Tensor:
    y = convolve(conv, x, weight, bias)
    return y.relu_() if relu else y


def _pass_on(x: Tensor) -> Tensor:
    return x
