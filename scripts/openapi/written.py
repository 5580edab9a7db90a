"""The files that are made from the table of routes, and what has to stand in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from handlers.http.routes import ROUTES
from scripts.openapi.document import document_of
from scripts.openapi.page import page_of

ROOT: Final = Path(__file__).resolve().parent.parent.parent
ASSETS: Final = ROOT / "src" / "handlers" / "http" / "assets"
YAML: Final = ROOT / "docs" / "openapi.yaml"
_HEAD: Final = (
    "# Made by scripts/openapi_docs.py from the table of routes. A running server has it as /openapi.json.\n"
)


def files() -> Mapping[Path, str]:
    """Every file with its content."""
    document = document_of(ROUTES)
    encoded = msgspec.json.format(msgspec.json.encode(document), indent=1).decode()
    return {
        ASSETS / "openapi.json": f"{encoded}\n",
        ASSETS / "docs.html": page_of(document),
        YAML: f"{_HEAD}{_yaml(msgspec.json.decode(encoded))}",
    }


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and no references within the file: what is shared has a name."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _yaml(document: Any) -> str:
    dumped: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return dumped
