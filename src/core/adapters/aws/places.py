"""Where AWS is: region and endpoints, by the variables that every AWS tool reads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from core.adapters.aws.api import AwsError, Service

_NAMES: Final[Mapping[Service, str]] = {
    "dynamodb": "DYNAMODB",
    "sqs": "SQS",
    "secretsmanager": "SECRETS_MANAGER",
}
_REGION: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the calls to one service go."""

    url: str
    """With a path of `/`."""
    host: str
    """As the Host header has it."""
    region: str

    @property
    def is_tls(self) -> bool:
        return self.url.startswith("https:")


def region_of(environ: Mapping[str, str]) -> str:
    """AWS_REGION, else AWS_DEFAULT_REGION; empty when neither is set."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""


def endpoint_of(service: Service, environ: Mapping[str, str]) -> str:
    """The address that the variables give; empty: AWS's own."""
    given = environ.get(f"AWS_ENDPOINT_URL_{_NAMES[service]}") or environ.get("AWS_ENDPOINT_URL")
    return given or ""


def place_of(service: Service, environ: Mapping[str, str]) -> Place:
    """AWS_ENDPOINT_URL_<SERVICE>, else AWS_ENDPOINT_URL, else the region's own. Raises AwsError."""
    region = region_of(environ)
    if not _REGION.fullmatch(region):
        told = f"AWS_REGION is {region[:40]!r}, which is no region" if region else "AWS_REGION is not set"
        raise AwsError("NoRegion", told)
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    parts = urlsplit(endpoint_of(service, environ) or f"https://{service}.{region}.{domain}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise AwsError("NoEndpoint", f"the endpoint of {service} is no address like http://host:port")
    return Place(f"{parts.scheme}://{parts.netloc}/", parts.netloc, region)
