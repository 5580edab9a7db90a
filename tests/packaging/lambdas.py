"""The artifact of `make package` for this machine, and sandboxes in which nothing else of ours is."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import awslambdaric

from local.lambda_runtime.outcome import Outcome
from local.lambda_runtime.sandbox import Code, Sandbox
from scripts import package
from tests.packaging.processes import bare_environment, base_python

_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
_RUNTIME_BRINGS: Final = (
    "awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "runtime_client.*.so", "s3transfer",
    "simplejson", "six.py", "snapshot_restore_py.py", "urllib3",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sealed:
    """A Python, and variables, with which a process sees the artifact and Lambda's own packages alone."""

    folder: Path

    def build(self) -> None:
        """Builds the artifact: some seconds."""
        machine = os.uname().machine
        (architecture,) = [name for name, one in package.ARCHITECTURES.items() if one == machine]
        self.artifact.mkdir(parents=True)
        package.fill(self.artifact, architecture=architecture, runtime=_PYTHON)
        self._brought.mkdir()
        installed = Path(awslambdaric.__file__).parent.parent
        for pattern in _RUNTIME_BRINGS:
            (found,) = installed.glob(pattern)
            (self._brought / found.name).symlink_to(found)
        python = Path(self.python)
        python.write_text(f'#!/bin/sh\nexec {base_python()} -S -B "$@"\n')
        python.chmod(0o755)

    @property
    def artifact(self) -> Path:
        return self.folder / "artifact"

    @property
    def python(self) -> str:
        return str(self.folder / "python")

    @property
    def environ(self) -> dict[str, str]:
        bare = {n: v for n, v in bare_environment().items() if not n.startswith("AWS_")}
        return {**bare, "PYTHONPATH": f"{self.artifact}:{self._brought}"}

    @property
    def _brought(self) -> Path:
        return self.folder / "runtime"

    def code(self, handler: str, folder: Path, environ: Mapping[str, str]) -> Code:
        """What a sandbox runs; its log is in the folder."""
        given = {**self.environ, **environ}
        return Code(handler=handler, python=self.python, environ=given, log=folder / "lambda.log")


async def invoked(code: Code, *events: Any) -> list[Outcome]:
    """Each event in turn, in one sandbox."""
    sandbox = Sandbox(code)
    try:
        failed = await sandbox.start()
        assert failed is None, (failed, code.log.read_text())
        return [await sandbox.invoke(json.dumps(event).encode()) for event in events]
    finally:
        await sandbox.kill()
        await asyncio.sleep(0)  # lets the loop see the end of the process
