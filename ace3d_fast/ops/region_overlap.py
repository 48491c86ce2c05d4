"""How label maps overlap."""

from __future__ import annotations

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import check_beside, check_count, check_tensor


def region_overlap(a: Tensor, b: Tensor, num_a: int, num_b: int) -> Tensor:
    """Count the voxels that each region of ``a`` shares with each region of ``b``.

    Parameters
    ----------
    a, b : (N, T, H, W) int32
        Label maps; values outside ``[0, num_a)`` and ``[0, num_b)`` are background and count nowhere.
    num_a, num_b : int

    Returns
    -------
    (N, num_a, num_b) int64
        Shared voxels: the numerator of every Jaccard index, and with its sums the denominator.

    Raises
    ------
    InputError
        Another shape or type, or maps that differ in shape.

    Examples
    --------
    >>> import torch
    >>> from ace3d_fast import region_overlap
    >>> a = torch.tensor([[[[0, 0, 1, 1]]]], dtype=torch.int32)
    >>> b = torch.tensor([[[[0, 1, 1, 1]]]], dtype=torch.int32)
    >>> shared = region_overlap(a, b, 2, 2)[0]
    >>> shared
    tensor([[1, 1],
            [0, 2]])
    >>> shared / (shared.sum(1, keepdim=True) + shared.sum(0) - shared)  # Jaccard indices
    tensor([[0.5000, 0.2500],
            [0.0000, 0.6667]])
    """
    where = "region_overlap"
    for name, labels in (("a", a), ("b", b)):
        check_tensor(where, name, labels, dims=("N", "T", "H", "W"), dtypes=(torch.int32,))
    if a.shape != b.shape:
        raise InputError(expected(where, "b", f"of shape {tuple(a.shape)}, as a", f"shape {tuple(b.shape)}"))
    check_beside(where, "b", b, a)
    check_count(where, "num_a", num_a, least=0)
    check_count(where, "num_b", num_b, least=0)
    counts: Tensor = torch.ops.ace3d.region_overlap(a.contiguous(), b.contiguous(), num_a, num_b)
    return counts


@register_fake("region_overlap")
def _(a: Tensor, b: Tensor, num_a: int, num_b: int) -> Tensor:
    return a.new_empty((a.shape[0], num_a, num_b), dtype=torch.int64)
