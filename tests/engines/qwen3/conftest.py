from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

if find_spec("torch"):
    import torch

    # Read when triton is first imported, which torch does at times: without a GPU kernels are interpreted.
    if not torch.cuda.is_available():
        os.environ.setdefault("TRITON_INTERPRET", "1")

    @pytest.fixture(scope="module", autouse=True)
    def _one_thread() -> Iterator[None]:
        """Sums come out the same to the last bit, whichever file was tested before; and threads that wait
        for each other on a busy machine take minutes."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)
