from __future__ import annotations

import contextlib
import os

# Read when triton is first imported, which torch does at times: without a GPU its kernels are interpreted.
with contextlib.suppress(ImportError):
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("TRITON_INTERPRET", "1")
