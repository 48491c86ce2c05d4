"""A small 3D ConvNet, trained on PlantedVid from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ace3d_fast.models.layout import fast_convolutions, fast_parts
from ace3d_fast.models.registry import KINETICS
from ace3d_fast.tensor_files import save_tensors
from ace3d_fast.threads import one_torch_thread
from ace3d_fast.types import Progress, SilentProgress
from ace3d_fast.video.decode import read_clips
from ace3d_fast.video.inputs import list_videos
from ace3d_fast.video.planted import CLASSES, SAMPLING, make_clip, write_planted_videos

BATCH = 16
MIRRORED = torch.tensor(
    [CLASSES.index(name) for name in (*CLASSES[:2], CLASSES[3], CLASSES[2], *CLASSES[4:])]
)


class PlantedNet(nn.Module):
    """Five 3×3×3 convolutions, a global mean and a linear layer.

    Takes (N, 3, T, 64, 64) float32, normalised with mean 0.45 and std 0.225; returns logits (N, 6) of
    `ace3d_fast.video.planted.CLASSES`. ``conv1`` to ``conv5`` end in a ReLU; of a clip of 16 frames ``conv4``
    makes the grid (64, 4, 8, 8), and each of its cells sees 17 frames and 31 px.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _block(3, 16, (1, 2, 2))
        self.conv2 = _block(16, 32, (2, 2, 2))
        self.conv3 = _block(32, 64, (2, 2, 2))
        self.conv4 = _block(64, 64, (1, 1, 1))
        self.conv5 = _block(64, 64, (1, 1, 1))
        self.head = nn.Linear(64, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 6) of clips ``x``."""
        grid = self.conv5(self.conv4(self.conv3(self.conv2(self.conv1(x)))))
        logits: Tensor = self.head(grid.mean((2, 3, 4)))
        return logits


def _block(inputs: int, outputs: int, stride: tuple[int, int, int]) -> nn.Sequential:
    conv = nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True))


@dataclass(frozen=True)
class PlantedDemo:
    """Videos and a network trained on their kind.

    Attributes
    ----------
    videos_folder : Path
    weights_path : Path
        Safetensors, for ``--model planted:net --weights``.
    accuracy : float
        Share of the written videos' clips, none of them trained on, that the network classifies rightly.
    """

    videos_folder: Path
    weights_path: Path
    accuracy: float


def train_planted_network(
    seed: int = 0,
    *,
    num_steps: int = 150,
    num_clips: int = 720,
    tag_agreement: float | None = None,
    drop_causal: float = 0.0,
    progress: Progress | None = None,
) -> PlantedNet:
    """Train `PlantedNet` by AdamW, 3e-3 decaying to 0, batches of 16.

    Parameters
    ----------
    seed : int
        Same seed, same weights.
    num_steps : int
    num_clips : int
        Clips that are generated once, and without a tag shown mirrored and reversed in time at random.
    tag_agreement : float, optional
        As in `make_clip`: clips with a corner tag, which the network may then use.
    drop_causal : float
        Share of clips without their class's primitive, so that only the tag tells the class.
    progress : Progress, optional

    Returns
    -------
    PlantedNet
        In evaluation mode.

    Notes
    -----
    Runs on one thread, about 40 s: sums then come in one order, and two threads on busy cores took five times
    as long.
    """
    progress = progress or SilentProgress()
    num_clips = max(num_clips, BATCH)
    rng = np.random.default_rng([seed, len(CLASSES), 1])  # no video draws from this stream
    progress.start("generate clips", num_clips)
    frames, labels = [], torch.arange(num_clips) % len(CLASSES)
    for label in labels.tolist():
        dropped = bool(rng.random() < drop_causal)
        clip = make_clip(label, rng, tag_agreement=tag_agreement, drop_causal=dropped)
        frames.append(torch.from_numpy(clip.frames))
        progress.advance()
    progress.finish()
    with torch.random.fork_rng(devices=[]), one_torch_thread():
        torch.manual_seed(seed)
        net = PlantedNet().train()
        parts = fast_parts(net)
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=num_steps)
        progress.start("train", num_steps)
        for _ in range(num_steps):
            chosen = torch.from_numpy(rng.choice(num_clips, BATCH, replace=False))
            batch = torch.stack([frames[i] for i in chosen.tolist()])
            x, y = batch, labels[chosen]
            if tag_agreement is None:
                x, y = _vary(x, y, rng)
            optimizer.zero_grad()
            with fast_convolutions(parts):
                loss = F.cross_entropy(net(_normalized(x)), y)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            progress.advance()
        progress.finish()
    return net.eval()


def planted_accuracy(net: nn.Module, folder: str | Path) -> float:
    """Share of the clips of a folder of planted videos, decoded, that ``net`` classifies rightly."""
    right = []
    net.eval()
    for video in list_videos([folder]):
        clips = torch.stack([clip.network_frames for clip in read_clips(video, SAMPLING)])
        with torch.no_grad(), one_torch_thread():
            right.append(net(_normalized(clips)).argmax(1) == CLASSES.index(video.label))
    return float(torch.cat(right).float().mean())


def write_planted_demo(
    folder: str | Path,
    *,
    seed: int = 0,
    videos_per_class: int = 24,
    clips_per_video: int = 1,
    net: PlantedNet | None = None,
    progress: Progress | None = None,
) -> PlantedDemo:
    """Write PlantedVid to ``folder``, and a network for it.

    Parameters
    ----------
    folder : str or Path
        Gets ``videos/``, ``truth/`` (see `write_planted_videos`) and ``planted_net.safetensors``.
    seed : int
    videos_per_class, clips_per_video : int
    net : PlantedNet, optional
        The network; one is trained from ``seed`` where there is none.
    progress : Progress, optional
    """
    folder = Path(folder)
    videos = write_planted_videos(
        folder, videos_per_class=videos_per_class, seed=seed, clips_per_video=clips_per_video
    )
    if net is None:
        net = train_planted_network(seed, progress=progress)
    weights = folder / "planted_net.safetensors"
    save_tensors({name: value.contiguous() for name, value in net.state_dict().items()}, weights)
    return PlantedDemo(videos, weights, planted_accuracy(net, videos))


def _normalized(frames: Tensor) -> Tensor:
    """(N, T, 64, 64, 3) uint8 → (N, 3, T, 64, 64) float32, as `PlantedNet` takes it."""
    x = frames.permute(0, 4, 1, 2, 3).float().div(255.0)
    return x.sub(KINETICS.mean[0]).div(KINETICS.std[0]).contiguous(memory_format=torch.channels_last_3d)


def _vary(clips: Tensor, labels: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Reverse a batch in time, and mirror it, at random: each exchanges moving right and moving left."""
    if rng.random() < 0.5:
        clips, labels = clips.flip(1), MIRRORED[labels]
    if rng.random() < 0.5:
        clips, labels = clips.flip(3), MIRRORED[labels]
    if rng.random() < 0.5:
        clips = clips.flip(2)
    return clips, labels
