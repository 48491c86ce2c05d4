"""Forwards on the CPU: ours against torch's own, one thread against one.

``torch`` is the network as it is; ``channels_last`` has weights and clips in that layout, as torch's guides
advise. Ours (`ace3d_fast.models.network.Network`) gives what the layer puts out beside the logits, and checks
that all of it is finite. All are shown to give the same logits before anything is timed. Weights are random:
the work does not depend on them.
"""

from __future__ import annotations

import copy

import torch
from timing import interleaved, parse_arguments, write_results
from torch import Tensor, nn

from ace3d_fast.models.load import load_module
from ace3d_fast.models.network import Network
from ace3d_fast.models.registry import find_entry

CASES = [
    ("planted:net", "conv4", (8, 16, 64)),
    ("pytorchvideo:x3d_xs", "blocks.3", (1, 4, 182)),
    ("pytorchvideo:x3d_xs", "blocks.3", (4, 4, 182)),
    ("pytorchvideo:x3d_m", "blocks.3", (1, 16, 256)),
    ("pytorchvideo:slow_r50", "blocks.3", (1, 8, 224)),
    ("pytorchvideo:r2plus1d_r50", "blocks.3", (1, 16, 224)),
]


def prepared(name: str, clips: Tensor) -> nn.Module:
    """The network, its norms with the statistics of ``clips``: values neither grow nor vanish."""
    torch.manual_seed(0)
    module = load_module(name).module.train()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm3d):
            part.momentum = 1.0
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    with torch.no_grad():
        module(clips)
    return module.eval()


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    rows = []
    print(
        "network                    clips              torch  channels last     ours  to torch  to the other"
    )
    for name, layer, (num_clips, num_frames, side) in CASES:
        clips = torch.randn(num_clips, 3, num_frames, side, side, generator=torch.Generator().manual_seed(0))
        module = prepared(name, clips)
        last = copy.deepcopy(module).to(memory_format=torch.channels_last_3d)
        clips_last = clips.contiguous(memory_format=torch.channels_last_3d)
        entry = find_entry(name)
        with torch.no_grad():
            logits = module(clips)
            torch.testing.assert_close(
                last(clips_last), logits, rtol=1e-3, atol=1e-4 * float(logits.abs().max())
            )
        names = [str(i) for i in range(logits.shape[1])]
        network = Network(copy.deepcopy(module), layer, entry.normalization, names)
        found = network.forward(clips_last).logits
        torch.testing.assert_close(found, logits, rtol=1e-3, atol=1e-4 * float(logits.abs().max()))
        with torch.no_grad():
            times = interleaved(
                {
                    "torch": lambda module=module, clips=clips: module(clips),
                    "channels_last": lambda last=last, clips=clips_last: last(clips),
                    "ours": lambda network=network, clips=clips_last: network.forward(clips),
                },
                arguments.repeats,
            )
        rows.append(
            {
                "network": name,
                "shape": [num_frames, side, side],
                "num_clips": num_clips,
                "milliseconds": times,
            }
        )
        torch_ms, last_ms, ours_ms = (times[call][1] for call in ("torch", "channels_last", "ours"))
        clip = f"{num_clips} of {num_frames}x{side}x{side}"
        print(
            f"{name:26} {clip:16} {torch_ms:7.1f} {last_ms:14.1f} {ours_ms:8.1f} {torch_ms / ours_ms:9.2f} "
            f"{last_ms / ours_ms:13.2f}",
            flush=True,
        )
    write_results("forward", rows, arguments)


if __name__ == "__main__":
    main()
