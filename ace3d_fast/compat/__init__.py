"""The tools that people already use, with these kernels in their place."""
