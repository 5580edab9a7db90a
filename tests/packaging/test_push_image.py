"""infra/push-image: what it asks of AWS and of the container engine, with stand-ins for both."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

from core.version import VERSION
from tests.packaging.image import ROOT, stages
from tests.packaging.processes import bare_environment
from tests.template.stack import source

_REPOSITORY: Final = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/memtrace-repository-abc"
_AWS: Final = """#!/bin/sh
echo "aws $*" >>"$CALLS"
case "$1 $2" in
"cloudformation describe-stacks") echo "$REPOSITORY" ;;
"ecr get-login-password") echo secret-token ;;
*) exit 64 ;;
esac
"""
_ENGINE: Final = """#!/bin/sh
[ "$1" = login ] && read -r token && [ "$token" = secret-token ] || [ "$1" != login ] || exit 65
echo "engine $*" >>"$CALLS"
[ "$1" != "$FAILS" ]
"""


class Pushing:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in (("aws", _AWS), ("docker", _ENGINE), ("podman", _ENGINE)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def __call__(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        given = {"REPOSITORY": _REPOSITORY, "FAILS": "", "TAG": VERSION, **more}
        env = bare_environment(CALLS=str(self.folder / "calls"), **given)
        env["PATH"] = f"{self.folder}:{env['PATH']}"
        return subprocess.run(
            [ROOT / "infra" / "push-image", *arguments],
            env=env, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def push(tmp_path: Path) -> Pushing:
    return Pushing(tmp_path)


def test_the_image_is_built_for_arm_with_what_reaches_aws_and_pushed(push: Pushing) -> None:
    done = push("memtrace")
    assert done.returncode == 0, done.stderr
    image = f"{_REPOSITORY}:{VERSION}"
    assert [call for call in push.calls if call.startswith("engine")] == [
        f"engine login --username AWS --password-stdin {_REPOSITORY.partition('/')[0]}",
        f"engine build --platform linux/arm64 --build-arg LOCK=aws --tag {image} .",
        f"engine push {image}",
    ]
    assert done.stdout == f"sam deploy --stack-name memtrace --parameter-overrides FlusherImage={image}\n"


def test_what_it_asks_the_stack_for_is_an_output_of_the_template(push: Pushing) -> None:
    push("memtrace")
    assert "OutputKey=='RepositoryUri'" in push.calls[0]
    assert "RepositoryUri" in source()["Outputs"]
    assert "--region eu-central-1" in push.calls[1]


def test_the_token_is_shown_to_the_engine_alone(push: Pushing) -> None:
    done = push("memtrace")
    assert "secret-token" not in done.stdout + done.stderr + "".join(push.calls)


def test_a_tag_is_made_where_none_is_given(push: Pushing) -> None:
    done = push("memtrace", TAG="")
    assert done.returncode == 0, done.stderr
    tag = done.stdout.strip().rpartition(":")[2]
    assert len(tag) in (12, len("20261121T032831Z"))
    assert tag.isalnum()


def test_another_engine_may_be_named(push: Pushing) -> None:
    (push.folder / "docker").unlink()
    assert push("memtrace", ENGINE="podman").returncode == 0


def test_a_stack_without_a_repository_is_told_of(push: Pushing) -> None:
    done = push("memtrace", REPOSITORY="None")
    assert done.returncode == 1
    assert "FlusherRepositoryArn" in done.stderr
    assert not [call for call in push.calls if call.startswith("engine")]


@pytest.mark.parametrize("step", ["login", "build", "push"])
def test_what_fails_is_not_gone_past(push: Pushing, step: str) -> None:
    done = push("memtrace", FAILS=step)
    assert done.returncode != 0
    assert done.stdout == ""
    assert push.calls[-1].startswith(f"engine {step}")


def test_it_says_how_it_is_called(push: Pushing) -> None:
    done = push()
    assert done.returncode != 0
    assert "infra/push-image STACK" in done.stderr


def test_the_dockerfile_installs_the_lock_that_is_asked_for() -> None:
    building = stages((ROOT / "Dockerfile").read_text())[1][0]
    assert building.one("ARG").rest == "LOCK=runtime"
    installed = next(step.rest for step in building.of("RUN") if "${LOCK" in step.rest)
    assert "-r requirements/${LOCK:-runtime}.txt" in installed
    for lock in ("runtime", "aws"):
        assert (ROOT / "requirements" / f"{lock}.txt").exists()
        assert f"requirements/{lock}.txt" in building.of("COPY")[0].words()
    assert "\nboto3==" in (ROOT / "requirements" / "aws.txt").read_text()
