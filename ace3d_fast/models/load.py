"""``--model`` and ``--weights`` → a network in memory."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ace3d_fast.errors import InputError, expected, kind_and_line
from ace3d_fast.models.given import bare
from ace3d_fast.models.names import nearest
from ace3d_fast.models.registry import ModelEntry, find_entry
from ace3d_fast.models.transformers_zoo import adapt_transformer

CHECK_PATH = "check the path before the colon"
RUN_IT = "run that file by itself to see where it fails"
WRAPPERS = ("state_dict", "model_state", "model_state_dict", "model")


@dataclass(frozen=True)
class LoadedModel:
    """A network in evaluation mode, with its registry entry."""

    module: nn.Module
    entry: ModelEntry


def load_module(spec: str, weights: str | Path | None = None) -> LoadedModel:
    """Load a network.

    Parameters
    ----------
    spec : str
        ``path/to/file.py:factory`` or ``package.module:factory`` (the factory takes no argument and returns a
        ``torch.nn.Module``), ``pytorchvideo:NAME``, ``torchvision:NAME``, ``transformers:NAME``, or
        ``planted:net``.
    weights : str or Path, optional
        A state dict: ``.safetensors``, or a ``.pt`` file of tensors only (no code in it is run). Without it
        a network of the zoo keeps its random initial weights.

    Raises
    ------
    InputError
        Where the network cannot be made, or the weights do not fit it.
    """
    entry = find_entry(spec)
    if entry.build is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # a network without weights is the same each time
            module = entry.build()
    else:
        module = adapt_transformer(bare(_from_factory(spec)))
    if weights is not None:
        _load_weights(module, _read_weights(Path(weights)), entry, Path(weights))
    return LoadedModel(module.eval(), entry)


def digest(module: nn.Module) -> str:
    """SHA-256 of the names, shapes and values of a network's weights: the same for the same network."""
    found = hashlib.sha256()
    for name, values in sorted(bare(module).state_dict().items()):
        if isinstance(values, Tensor):
            plain = values.detach().cpu().contiguous()
            found.update(f"{name} {plain.dtype} {tuple(plain.shape)}".encode())
            found.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _from_factory(spec: str) -> nn.Module:
    source, _, name = spec.rpartition(":")
    namespace = names_in(source, "model")
    if name not in namespace:
        todo = nearest(name, [key for key, value in namespace.items() if callable(value)])
        raise InputError(expected("load_module", source, f"to define {name!r}", "none", todo))
    factory = namespace[name]
    if isinstance(factory, nn.Module):
        return factory
    if not callable(factory):
        raise InputError(
            expected(
                "load_module",
                spec,
                "to be a function",
                f"an object of type {type(factory).__name__}",
                "name a function without arguments that returns the network",
            )
        )
    try:
        module = factory()
    except Exception as error:  # the user's code
        raise InputError(_failure(spec, "to return a network", error)) from error
    if not isinstance(module, nn.Module):
        raise InputError(
            expected(
                "load_module",
                spec,
                "to return a torch.nn.Module",
                f"an object of type {type(module).__name__}",
                "let it return the network itself",
            )
        )
    return module


def names_in(source: str, what: str) -> dict[str, Any]:
    """The names that a Python file or a module defines; a module may lie in the working folder.

    Raises
    ------
    InputError
        It is not there, or fails; the message speaks of ``what``.
    """
    if source.endswith(".py"):
        return _run_file(Path(source), what)
    try:
        with _search(Path.cwd()):
            return vars(importlib.import_module(source))
    except Exception as error:  # the user's code
        requirement = "to be file.py:function or module:function"
        missing = isinstance(error, ModuleNotFoundError) and f"{source}.".startswith(f"{error.name}.")
        raise InputError(_failure(what, requirement, error, CHECK_PATH if missing else RUN_IT)) from error


@contextmanager
def _search(folder: Path) -> Iterator[None]:
    """Look for modules in ``folder`` first."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))


def _run_file(path: Path, what: str) -> dict[str, Any]:
    """The names a Python file defines; it may import its neighbours."""
    if not path.is_file():
        raise InputError(
            expected("load_module", what, "to be file.py:function", f"no file {path}", CHECK_PATH)
        )
    name = f"_ace3d_{what}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(
            expected(
                "load_module",
                str(path),
                "to be a Python file",
                "another kind",
                "give path/to/file.py:function",
            )
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _search(path.absolute().parent):
            spec.loader.exec_module(module)
    except Exception as error:  # the user's code
        sys.modules.pop(name, None)
        raise InputError(_failure(str(path), "to be importable", error)) from error
    return vars(module)


def _failure(where: str, requirement: str, error: Exception, todo: str = RUN_IT) -> str:
    return expected("load_module", where, requirement, kind_and_line(error), todo)


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise InputError(
            expected(
                "load_module",
                "weights",
                "to be a file",
                f"{path}: nothing there",
                "check the path given to --weights",
            )
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has its own exceptions
        requirement = "to be .safetensors, or a .pt file of nothing but tensors"
        raise InputError(_failure(str(path), requirement, error, "save its state_dict() again")) from error
    for key in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        fact = f"a {type(state).__name__} of other things"
        raise InputError(
            expected(
                "load_module",
                str(path),
                "to hold tensors by name",
                fact,
                "save the state dict alone: torch.save(net.state_dict(), path)",
            )
        )
    prefixed = state and all(str(key).startswith("module.") for key in state)
    return {str(key)[7:] if prefixed else str(key): value for key, value in state.items()}


def _load_weights(module: nn.Module, state: Mapping[str, Tensor], entry: ModelEntry, path: Path) -> None:
    wanted = module.state_dict()
    if entry.convert is not None and not wanted.keys() & state.keys():
        state = entry.convert(state)
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    missing = [f"no {name}" for name in wanted if name not in state]
    foreign = [f"unknown {name}" for name in state if name not in wanted]
    faults = shapes + missing + foreign
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise InputError(
            expected(
                "load_module",
                str(path),
                f"to fit {entry.name}",
                ", ".join(faults[:3]) + more,
                "give the weights of this network, or the network of these weights",
            )
        )
    module.load_state_dict(dict(state))
