"""How the functions inside the kernel are compiled: no wrappers for Python, plain division."""

from __future__ import annotations

from typing import Any

import numba as nb

#: Decorator of a function that only compiled code calls. Wrappers for Python would double the time
#: of compilation; `numpy` division needs no branch for zero.
_OPTIONS: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "error_model": "numpy",
}
inner = nb.njit(**_OPTIONS)
