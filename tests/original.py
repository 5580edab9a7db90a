"""A real installation of Memtrace v0.2.0, for tests that open it in place. Its keys belong to nothing."""

import json
import shutil
from pathlib import Path
from typing import Final

from core.model.memory import OrgId

FOLDER: Final = Path(__file__).parent / "fixtures" / "original-v0.2.0"
_SECRETS: Final = json.loads((FOLDER / "secrets.json").read_text())
MASTER_KEY: Final[str] = _SECRETS["master_key"]
API_KEYS: Final[dict[str, str]] = _SECRETS["keys"]
ARC_KEY: Final[str] = _SECRETS["arc_api_key"]
ACME: Final = OrgId(_SECRETS["org_id"])
UNBOUND: Final = OrgId("org_b2798134c263a5b93f3d710b")


def copied_to(folder: Path) -> Path:
    """A copy of its database that may be changed."""
    path = folder / "memtrace.db"
    shutil.copyfile(FOLDER / "memtrace.db", path)
    return path
