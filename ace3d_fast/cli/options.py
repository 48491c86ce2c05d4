"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ace3d_fast.errors import InputError, expected


class Preset(str, Enum):
    """Recipes of a run."""

    calibrated = "calibrated"
    stce = "stce"


class Backend(str, Enum):
    """What computes."""

    native = "native"
    reference = "reference"


class Precision(str, Enum):
    """What a network computes in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class Features(str, Enum):
    """How regions are described."""

    pooled = "pooled"
    patch = "patch"


class Quality(str, Enum):
    """How well supervoxels follow boundaries."""

    standard = "standard"
    high = "high"


class Clusters(str, Enum):
    """How regions are clustered."""

    kmeans = "kmeans"
    agglomerative = "agglomerative"
    hdbscan = "hdbscan"
    nmf = "nmf"


class Vocabulary(str, Enum):
    """Whose regions are clustered together."""

    single = "class"
    shared = "shared"


class Engine(str, Enum):
    """Where workers are."""

    local = "local"
    ray = "ray"


_INPUT = "What the network takes (by default its registry entry's)"
_METHOD = "Method"
QUALITY_HELP = "high: supervoxels follow boundaries better, for up to twice the time."
VIDEOS_HELP = "Folder of class subfolders, CSV of path,label[,group], or video files."

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="M",
        help="path/to/file.py:factory, module:factory or a known network, such as pytorchvideo:x3d_xs.",
    ),
]
Layer = Annotated[
    str | None,
    typer.Option(
        "--layer", "-l", metavar="L", help="Layer to explain, see [b]layers[/b]. Default: the entry's first."
    ),
]
Weights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Weights: safetensors, or .pt of tensors only.")
]
Labels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Class names of the network, one a line. Default: the folders."),
]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="FILE:FUNCTION",
        help="Explain a function of the output, one number per clip, in place of the class's logit.",
    ),
]
Device = Annotated[
    str, typer.Option(metavar="cpu|cuda", help="Where supervoxels are cut and the network runs.")
]
PrecisionOption = Annotated[
    Precision, typer.Option(help="Of the network's convolutions and matrix products.")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Same seed and input, same results.")]

ClipFrames = Annotated[
    int | None, typer.Option(metavar="N", help="Frames of a clip.", rich_help_panel=_INPUT)
]
ClipFps = Annotated[
    float | None, typer.Option(metavar="F", help="Their rate per second.", rich_help_panel=_INPUT)
]
Resize = Annotated[
    int | None, typer.Option(metavar="PX", help="Resize the short side to this.", rich_help_panel=_INPUT)
]
Size = Annotated[
    int | None, typer.Option(metavar="PX", help="Crop the centre to this.", rich_help_panel=_INPUT)
]
FollowLinks = Annotated[
    bool,
    typer.Option(
        "--follow-links", help="Take links that lead out of the videos' folder.", rich_help_panel=_INPUT
    ),
]
MaxFramePixels = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Skip videos with larger frames. Default: 67,108,864.", rich_help_panel=_INPUT
    ),
]
MaxHours = Annotated[
    float | None,
    typer.Option(metavar="H", help="Skip videos that last longer. Default: 24.", rich_help_panel=_INPUT),
]
Mean = Annotated[
    str | None,
    typer.Option(metavar="M", help="Mean of pixels in 0..1: one number or three.", rich_help_panel=_INPUT),
]
Std = Annotated[
    str | None, typer.Option(metavar="S", help="Their standard deviation, likewise.", rich_help_panel=_INPUT)
]

PresetOption = Annotated[
    Preset, typer.Option(help="calibrated, or the published recipe stce.", rich_help_panel=_METHOD)
]
BackendOption = Annotated[
    Backend, typer.Option(help="Compiled ops, or the slow Python path.", rich_help_panel=_METHOD)
]
FeaturesOption = Annotated[
    Features | None,
    typer.Option(
        help="Features pooled from whole clips, or of cut-out patches. Default: the preset's.",
        rich_help_panel=_METHOD,
    ),
]
NumRegions = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,N",
        help="Supervoxels of a clip at each resolution. Default: 15,50,80.",
        rich_help_panel=_METHOD,
    ),
]
RegionsOption = Annotated[
    str | None,
    typer.Option(
        metavar="R",
        help="Instead of supervoxels: grid:TxHxW, flow:N, or a folder of label files.",
        rich_help_panel=_METHOD,
    ),
]
QualityOption = Annotated[Quality | None, typer.Option(help=QUALITY_HELP, rich_help_panel=_METHOD)]
NumClusters = Annotated[
    int | None,
    typer.Option(
        metavar="K", help="Clusters. Default: so that most recur; 25 for stce.", rich_help_panel=_METHOD
    ),
]
ClustersOption = Annotated[
    Clusters | None, typer.Option(help="How regions are clustered. Default: kmeans.", rich_help_panel=_METHOD)
]
VocabularyOption = Annotated[
    Vocabulary | None,
    typer.Option(
        help="shared: cluster all classes together and score every class. Default: class.",
        rich_help_panel=_METHOD,
    ),
]
ForwardsPerConcept = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Most regions of a concept that are forwarded alone and removed. Default: 48.",
        rich_help_panel=_METHOD,
    ),
]
Controls = Annotated[
    bool,
    typer.Option(
        "--controls",
        help="Put the explanation through trials: null concepts, seeds, random weights (table controls).",
        rich_help_panel=_METHOD,
    ),
]

_WORK = "How it is carried out (the result is the same)"
EngineOption = Annotated[
    Engine, typer.Option(help="Workers on this machine, or on a Ray cluster.", rich_help_panel=_WORK)
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Processes (or Ray actors) that describe videos, then threads that forward masked clips. "
        "Default: this process.",
        rich_help_panel=_WORK,
    ),
]
WorkDir = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|URL",
        help="Keep finished work here, for other runs too. Default: beside --out until it is whole.",
        rich_help_panel=_WORK,
    ),
]


def parse_counts(text: str | None) -> tuple[int, ...] | None:
    """``"15,50,80"`` as whole numbers."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        requirement = "a list of whole numbers like 15,50,80"
        raise InputError(expected("options", "--num-regions", requirement, repr(text))) from None


def parse_numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    """``"0.45"`` or ``"0.43,0.40,0.38"``, given for ``option``, as numbers."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        requirement = "a number, or three like 0.43,0.40,0.38"
        raise InputError(expected("options", option, requirement, repr(text))) from None
