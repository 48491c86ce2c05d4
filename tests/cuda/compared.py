"""What is compared with the CPU: a GPU, or where one is named the device of tests/second_device."""

import os

DEVICE = "far" if "ACE3D_SECOND_DEVICE" in os.environ else "cuda"
