"""One thread: tests run beside each other, and sums have one order."""

import torch

torch.set_num_threads(1)
