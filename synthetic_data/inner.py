"""How the functions inside the kernel are compiled: no wrappers for Python, plain division."""

from __future__ import annotations

import numba as nb

#: Decorator of a function that only compiled code calls. Wrappers for Python would double the time
#: of compilation; `numpy` division needs no branch for zero.
inner = nb.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, error_model="numpy")
