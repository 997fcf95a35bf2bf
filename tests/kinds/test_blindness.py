"""Nothing in the catalog knows what an image is."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

CATALOG = Path(importlib.util.find_spec("synthmill.catalog").origin).parent


def test_catalog_names_no_kind():
    sources = sorted(CATALOG.rglob("*.py"))
    assert len(sources) > 20
    found = [path.name for path in sources if re.search("image|pixel", path.read_text(), re.IGNORECASE)]
    assert found == []
