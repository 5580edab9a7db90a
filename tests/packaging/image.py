"""The Dockerfile, read and replayed without a container engine.

Its paths are put below a folder, its base's `python` is the tests' own; RUN steps that need root (users,
owners) are told from the others by what they call, and are left to those who read them.
"""

import json
import os
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.packaging.processes import bare_environment, base_python, built
from tests.source import SRC

ROOT: Final = SRC.parent
_MOVED: Final = ("/opt/memtrace", "/var/lib/memtrace")
_ONLY_ROOT: Final = ("groupadd", "useradd")


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a Dockerfile."""

    word: str
    rest: str

    def words(self) -> list[str]:
        """In JSON, or as a shell splits them."""
        return list(json.loads(self.rest)) if self.rest.startswith("[") else shlex.split(self.rest)


@dataclass(frozen=True, slots=True)
class Stage:
    """What follows a FROM."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def of(self, word: str) -> list[Step]:
        return [step for step in self.steps if step.word == word]

    def one(self, word: str) -> Step:
        (step,) = self.of(word)
        return step

    def environment(self) -> dict[str, str]:
        """What its ENV instructions set."""
        pairs = [pair.split("=", 1) for step in self.of("ENV") for pair in step.words()]
        return {name: value for name, value in pairs}


def stages(text: str) -> tuple[dict[str, str], list[Stage]]:
    """The ARGs before the first FROM with their defaults, and the stages."""
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for step in _steps(text):
        if step.word == "FROM":
            base, _, name = step.rest.partition(" AS ")
            for argument, value in arguments.items():
                base = base.replace(f"${{{argument}}}", value)
            found.append(Stage(base, name))
        elif found:
            found[-1].steps.append(step)
        else:
            assert step.word == "ARG", step
            name, _, value = step.rest.partition("=")
            arguments[name] = value
    return arguments, found


def _steps(text: str) -> list[Step]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        Step(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.split("\n"))
    ]


def allowed_in_context(text: str, path: str) -> bool:
    """Whether .dockerignore, which begins by leaving everything out, lets a source in."""
    return any(path == kept or path.startswith(f"{kept}/") for kept in _kept(text))


def _kept(text: str) -> list[str]:
    return [line.removeprefix("!") for line in text.splitlines() if line.startswith("!")]


class Image:
    """The steps of the Dockerfile, done below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arguments, (self.building, self.final) = stages((ROOT / "Dockerfile").read_text())

    def build(self) -> None:
        """COPY and RUN of the first stage; the second one's COPY --from finds its result in place."""
        here = self.folder / "build"
        here.mkdir(parents=True)
        python = self.folder / "bin" / "python"
        python.parent.mkdir()
        python.write_text(f'#!/bin/sh\nexec {base_python()} "$@"\n')
        python.chmod(0o755)
        env = {**bare_environment(), **self.building.environment()}
        env["PATH"] = f"{python.parent}:{os.environ['PATH']}"
        del env["PIP_NO_CACHE_DIR"]  # layers should hold no cache; here it spares a download
        for step in self.building.steps:
            if step.word == "COPY":
                self._copy(step.words(), here)
            elif step.word == "RUN":
                built(["sh", "-ec", self.moved(step.rest)], env=env, cwd=here)
        (self.folder / "var/lib/memtrace").mkdir(mode=0o700, parents=True)

    def _copy(self, words: list[str], here: Path) -> None:
        *sources, target = words
        for source in sources:
            aim = here / target / Path(source).name if target.endswith("/") else here / target
            aim.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, aim, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, aim)

    def moved(self, text: str) -> str:
        """The text with the image's paths below the folder."""
        for path in _MOVED:
            text = text.replace(path, f"{self.folder}{path}")
        return text

    def environment(self, **more: str) -> dict[str, str]:
        """What a container of it would see, `more` from `--env`."""
        given = {name: self.moved(value) for name, value in self.final.environment().items()}
        given["PATH"] = given["PATH"].replace("$PATH", os.environ["PATH"])
        return {**bare_environment(), **given, **more}

    def steps_for_root(self) -> list[Step]:
        return [step for step in self.final.of("RUN") if any(word in step.rest for word in _ONLY_ROOT)]
