"""Put accelerated functions in place of a library's own, and take them out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from ace3d_fast.compat.skimage import slic
from ace3d_fast.errors import InputError, expected


def _replacements(library: str, exact: bool) -> dict[str, dict[str, Callable[..., Any]]]:
    """By module the names that are replaced, and by what."""
    if library == "skimage":
        ours = slic if exact else partial(slic, exact=False)
        return {
            module: {"slic": ours}
            for module in ("skimage.segmentation.slic_superpixels", "skimage.segmentation")
        }
    raise InputError(expected("accelerate", "library", "'skimage'", repr(library)))


@contextmanager
def accelerate(library: str = "skimage", *, exact: bool = True) -> Iterator[None]:
    """Use the kernels of this package in code that calls another library.

    Inside the ``with`` block ``skimage.segmentation.slic`` is `ace3d_fast.compat.skimage.slic`; after it,
    also after an error, it is scikit-image's own again. Blocks may be nested. The replacement is seen by all
    threads, and by code that looks the function up when it calls it: a name that was imported before, by
    ``from skimage.segmentation import slic``, keeps what it was bound to.

    Parameters
    ----------
    library : {"skimage"}
    exact : bool
        As in `ace3d_fast.compat.skimage.slic`.

    Raises
    ------
    InputError
        A library that is not known, or not installed.

    Examples
    --------
    >>> import numpy as np, skimage.segmentation
    >>> import ace3d_fast
    >>> image = np.random.default_rng(0).random((40, 50, 3))
    >>> expected = skimage.segmentation.slic(image, 20)
    >>> with ace3d_fast.accelerate("skimage"):
    ...     bool((skimage.segmentation.slic(image, 20) == expected).all())
    True
    """
    replacements = _replacements(library, exact)
    try:
        modules = {name: import_module(name) for name in replacements}
    except ImportError as error:
        todo = f"install it with `pip install 'ace3d_fast[reference]'` ({error})"
        raise InputError(expected("accelerate", library, "to be installed", "nothing", todo)) from error
    before = {
        (module, name): getattr(module, name)
        for path, module in modules.items()
        for name in replacements[path]
    }
    try:
        for path, module in modules.items():
            for name, function in replacements[path].items():
                setattr(module, name, function)
        yield
    finally:
        for (module, name), function in before.items():
            setattr(module, name, function)
