"""What torch's autograd graph tells of a network: receptive fields, and what lies above a layer.

The graph is built by a forward on the ``meta`` device: shapes only, no memory, no arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

WHOLE = 2**40  # a size beyond any clip

GLOBAL = ("MeanBackward", "SumBackward", "AdaptiveAvgPool", "AdaptiveMaxPool", "AmaxBackward")
ATTENTION = ("SoftmaxBackward", "ScaledDotProduct", "BmmBackward")
PRODUCTS = ("MulBackward", "BmmBackward", "MmBackward", "DivBackward")
LINEAR = (
    *("Convolution", "Addmm", "Linear", "Add", "Sub", "Neg", "Mean", "Sum", "AvgPool", "AdaptiveAvgPool"),
    *("View", "UnsafeView", "Reshape", "Permute", "Transpose", "TBackward", "Clone", "Expand", "Squeeze"),
    *("Unsqueeze", "Cat", "Stack", "Slice", "Select", "Split", "Unbind", "Index", "Alias", "ToCopy", "Copy"),
    *("AsStrided", "ConstantPad", "Flatten", "Repeat", "Roll", "AccumulateGrad"),
)


class Field(NamedTuple):
    """Receptive field along T, H, W in input voxels, and how far apart neighbouring cells look."""

    size: tuple[int, int, int]
    step: tuple[int, int, int]


EVERYTHING = Field((WHOLE, WHOLE, WHOLE), (1, 1, 1))  # what attention sees


class Graph:
    """The part of an autograd graph between an input and an output.

    Parameters
    ----------
    inputs : node
        ``AccumulateGrad`` of the input, or any node that stands for it.
    output : node
        ``grad_fn`` of the output.
    """

    def __init__(self, inputs: Any, output: Any) -> None:
        self.inputs = inputs
        self.output = output
        self._order = _sorted(output)
        self._from_input = self._downstream({inputs})  # of all nodes below the output
        self._fields = self._find_fields()

    def field(self, node: Any) -> Field | None:
        """Receptive field of the output of ``node``; None where that is the whole input.

        Paths through a global pool are left out where there are others: beside squeeze-and-excitation.
        """
        field = self._fields.get(node)
        return None if field is None or max(field.size) >= WHOLE else field

    def is_bottleneck(self, *nodes: Any) -> bool:
        """Whether everything the output knows of the input passes through one of ``nodes``."""
        if not self._from_input.intersection(nodes):
            return False
        return self.output not in self._downstream({self.inputs}, without=nodes)

    def reaches_output(self, node: Any) -> bool:
        """Whether the output depends on ``node``."""
        return node in self._from_input

    def nonlinear_above(self, *nodes: Any) -> bool:
        """Whether something non-linear stands between ``nodes`` and the output."""
        above = self._downstream(set(nodes)) - set(nodes)
        return any(not _is_linear(other, self._from_input) for other in above)

    def _downstream(self, sources: set[Any], *, without: Sequence[Any] = ()) -> set[Any]:
        """Nodes on the way from ``sources`` to the output, sources included."""
        reached = set(sources) - set(without)
        for node in self._order:
            if node not in without and any(parent in reached for parent in _parents(node)):
                reached.add(node)
        return reached

    def _find_fields(self) -> dict[Any, Field]:
        fields = {self.inputs: Field((1, 1, 1), (1, 1, 1))}
        for node in self._order:
            name = type(node).__name__
            before = [fields[parent] for parent in _parents(node) if parent in fields]
            if node in fields or not before or name.startswith(GLOBAL):
                continue
            if name.startswith(ATTENTION):
                fields[node] = EVERYTHING
            else:
                size = _largest([field.size for field in before])
                step = _largest([field.step for field in before])
                fields[node] = _widen(Field(size, step), node)
        return fields


def _largest(triples: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
    t, y, x = (max(values) for values in zip(*triples, strict=True))
    return t, y, x


def _widen(field: Field, node: Any) -> Field:
    """The field after a convolution or a pool."""
    window = _window(node)
    if window is None:
        return field
    kernel, stride, dilation = window
    size = [s + (k - 1) * d * j for s, k, d, j in zip(field.size, kernel, dilation, field.step, strict=True)]
    step = [j * s for j, s in zip(field.step, stride, strict=True)]
    return Field((size[0], size[1], size[2]), (step[0], step[1], step[2]))


def _window(node: Any) -> tuple[Sequence[int], Sequence[int], Sequence[int]] | None:
    """(kernel, stride, dilation) along T, H, W of a 3-D convolution or pool; None for other nodes."""
    name = type(node).__name__
    if name.startswith("ConvolutionBackward"):
        kernel: Sequence[int] = tuple(node._saved_weight.shape[2:])
        stride, dilation = node._saved_stride, node._saved_dilation
    elif name.startswith(("MaxPool3D", "AvgPool3D")):
        kernel = node._saved_kernel_size
        stride = node._saved_stride or kernel
        dilation = getattr(node, "_saved_dilation", (1, 1, 1))
    else:
        return None
    return (kernel, stride, dilation) if len(kernel) == 3 else None


def _is_linear(node: Any, from_input: set[Any]) -> bool:
    """Whether a node is linear in what comes from the input; a product of two such factors is not."""
    name = type(node).__name__
    if name.startswith(PRODUCTS):
        return sum(parent in from_input for parent in _parents(node)) < 2
    return name.startswith(LINEAR) or "BatchNorm" in name


def _parents(node: Any) -> list[Any]:
    return [parent for parent, _ in node.next_functions if parent is not None]


def _sorted(output: Any) -> list[Any]:
    """All nodes below ``output``, each after those it depends on."""
    order: list[Any] = []
    done: set[Any] = set()
    stack = [(output, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif node not in done:
            done.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in _parents(node) if parent not in done)
    return order
