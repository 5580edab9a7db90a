"""Puts the metrics texts of several processes together into one valid text. Pure."""

from typing import Final

_SUFFIXES: Final = ("_total", "_bucket", "_sum", "_count", "_created")


def joined(*texts: bytes) -> bytes:
    """One text in which every family stands once, with the series of all; series must differ."""
    heads: dict[str, dict[str, str]] = {}
    series: dict[str, list[str]] = {}
    for text in texts:
        for line in text.decode("utf-8", "replace").splitlines():
            if line.startswith(("# HELP ", "# TYPE ")):
                _, word, name, _ = (*line.split(" ", 3), "")[:4]
                heads.setdefault(name, {}).setdefault(word, line)
                series.setdefault(name, [])
            elif line and not line.startswith("#"):
                series.setdefault(_family(line, heads), []).append(line)
    lines = [line for name, those in series.items() for line in (*heads.get(name, {}).values(), *those)]
    return "".join(f"{line}\n" for line in lines).encode()


def _family(line: str, heads: dict[str, dict[str, str]]) -> str:
    """Whose sample this is: a histogram's and a summary's samples have names of their own."""
    name = line.partition("{")[0].partition(" ")[0]
    if name in heads:
        return name
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name.removesuffix(suffix) in heads:
            return name.removesuffix(suffix)
    return name
