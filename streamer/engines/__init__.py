"""Engines: text to sound."""

import os

# ONNX Runtime's builds count their use for its makers, over the network, unless told not to before they
# are imported; who hosts speech here has not agreed to that. Their own word: Privacy.md in the package.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
