"""``python -m ace3d_fast`` is ``ace3d-fast``."""

from ace3d_fast.cli import main

main()
