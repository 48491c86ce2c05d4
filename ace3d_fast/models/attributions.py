"""What each region of a clip contributes to a class, by gradients at the layer.

All but Grad-CAM are inner products of a slope and the activation minus its value for a clip that shows
nothing but the fill.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ace3d_fast.models.grids import Pathway
from ace3d_fast.models.network import Network
from ace3d_fast.models.pathways import pathway_sizes, pool_pathways
from ace3d_fast.models.probe import fill_frames
from ace3d_fast.types import SegmentedClip

SLOPES = ("gradient", "margin", "integrated_gradients")
ATTRIBUTIONS = ("gradient_x_activation", "margin_x_activation", "integrated_gradients", "grad_cam")
NUM_PATH_STEPS = 8


def clip_slopes(network: Network, frames: Tensor, class_index: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Activation above the fill's, and slopes of a class at the layer.

    Parameters
    ----------
    network : Network
    frames : (T, H, W, 3) uint8
        As many as the network sees.
    class_index : int

    Returns
    -------
    ((C, T', H', W') float32, dict of str to the same)
        The activation minus that of the fill; by `SLOPES` the gradient of the logit, that of the margin, and
        the mean of the logit's gradient along the way from the fill's activation to the clip's
        (integrated gradients, Sundararajan et al., arXiv 1703.01365, by the midpoint rule).
    """
    x = network.prepare(frames[None])
    base = network.forward(network.prepare(fill_frames(frames, "mean")[None])).activation
    plain = network.gradients(x, class_index)
    way = plain.activation - base
    steps = (torch.arange(NUM_PATH_STEPS, device=way.device) + 0.5) / NUM_PATH_STEPS
    path = base + steps.view(-1, 1, 1, 1, 1) * way
    along = network.gradients(x.expand(len(path), *x.shape[1:]), class_index, edit=lambda _: path)
    found = {
        "gradient": plain.gradient,
        "margin": network.gradients(x, class_index, target="margin").gradient,
        "integrated_gradients": None if along.gradient is None else along.gradient.mean(0, keepdim=True),
    }
    return way[0].cpu(), {name: slope[0].cpu() for name, slope in found.items() if slope is not None}


def region_attributions(network: Network, clip: SegmentedClip, class_index: int) -> dict[str, Tensor]:
    """What each region of ``clip`` contributes to a class, (R,) float32 by `ATTRIBUTIONS`.

    ``grad_cam`` is Grad-CAM in 3D (Selvaraju et al., arXiv 1610.02391): channels weighted by their mean
    gradient, negative sums cut off. A region's value is the sum over its cells.
    """
    frames = clip.clip.network_frames
    way, slopes = clip_slopes(network, frames, class_index)
    outputs = network.forward(network.prepare(frames[None]))
    weights = slopes["gradient"].mean((1, 2, 3), keepdim=True)
    products = {
        "gradient_x_activation": slopes["gradient"] * way,
        "margin_x_activation": slopes["margin"] * way,
        "integrated_gradients": slopes["integrated_gradients"] * way,
    }
    found = {name: _sum_under_regions(cells, clip, outputs.pathways) for name, cells in products.items()}
    cam = (weights * outputs.activation[0].cpu()).sum(0, keepdim=True).relu()
    return {**found, "grad_cam": _sum_under_regions(cam, clip, (Pathway(1, 1),))}


def _sum_under_regions(cells: Tensor, clip: SegmentedClip, pathways: Sequence[Pathway]) -> Tensor:
    """(R,): ``cells`` (C, T', H', W') summed over channels and over each region's share of the cells."""
    parts = torch.split(cells, [pathway.num_channels for pathway in pathways])
    maps = torch.stack([part.sum(0) for part in parts])[None]
    pathways = [Pathway(1, pathway.frame_stride) for pathway in pathways]
    labels = clip.network_labels[None].contiguous()
    means = pool_pathways(maps, labels, clip.num_regions, pathways)
    cell_voxels = labels[0, 0].numel() / cells[0].numel()
    return (means * pathway_sizes(labels, clip.num_regions, pathways) / cell_voxels)[0].sum(1)
