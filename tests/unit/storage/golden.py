"""The test vectors of the reference, read once."""

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "data" / "golden-vectors.json").read_text())
