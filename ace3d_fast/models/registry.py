"""Known networks: how each is built, and the clips it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ace3d_fast.errors import InputError, expected
from ace3d_fast.models.names import nearest
from ace3d_fast.types import ClipSampling, Normalization

KINETICS = Normalization((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))


@dataclass(frozen=True)
class ModelEntry:
    """A network and the defaults of a run on it.

    Attributes
    ----------
    name : str
        As given to ``--model``.
    sampling : ClipSampling
    normalization : Normalization
    layers : tuple of str
        Layers worth explaining, the first is the default; empty where unknown.
    class_names : tuple of str
        In the order of the logits; empty where a labels file must tell.
    build : callable, optional
        Makes the untrained network, which takes (N, 3, T, H, W) and returns logits.
    convert : callable, optional
        Translates weights that were saved under other names.
    """

    name: str
    sampling: ClipSampling
    normalization: Normalization = KINETICS
    layers: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    build: Callable[[], nn.Module] | None = None
    convert: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None


def entries() -> dict[str, ModelEntry]:
    """All registered networks by name."""
    from ace3d_fast.models.pytorchvideo_zoo import PYTORCHVIDEO
    from ace3d_fast.models.torchvision_zoo import TORCHVISION
    from ace3d_fast.models.transformers_zoo import TRANSFORMERS

    return {entry.name: entry for entry in (_planted(), *PYTORCHVIDEO, *TORCHVISION, *TRANSFORMERS)}


def find_entry(spec: str) -> ModelEntry:
    """The entry of ``spec``; that of a factory has 16 frames at 7.5 per second, 128 px cropped to 112.

    Raises
    ------
    InputError
        Where ``spec`` is no ``file.py:factory``, no ``module:factory`` and no registered network.
    """
    known = entries()
    if spec in known:
        return known[spec]
    source, _, name = spec.rpartition(":")
    registered = source in {entry.partition(":")[0] for entry in known}
    if name and (source.endswith(".py") or (not registered and is_module_name(source))):
        return ModelEntry(spec, ClipSampling(16, 7.5, 128, 112))
    requirement = "to be path/to/file.py:factory, module:factory or a known network"
    raise InputError(expected("load_module", "model", requirement, repr(spec), nearest(spec, known)))


def is_module_name(source: str) -> bool:
    """Whether ``source`` is the dotted name of a module."""
    return all(part.isidentifier() for part in source.split("."))


def _planted() -> ModelEntry:
    from ace3d_fast.video.planted import CLASSES, SAMPLING

    def build() -> nn.Module:
        from ace3d_fast.models.planted import PlantedNet

        return PlantedNet()

    return ModelEntry("planted:net", SAMPLING, KINETICS, ("conv4",), CLASSES, build)
