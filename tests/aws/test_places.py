"""Where calls go, by the variables of every AWS tool."""

import pytest

from core.adapters.aws.api import AwsError, Service
from core.adapters.aws.places import Place, place_of

HERE = {"AWS_REGION": "eu-central-1"}


@pytest.mark.parametrize(
    ("service", "host"),
    [
        ("dynamodb", "dynamodb.eu-central-1.amazonaws.com"),
        ("sqs", "sqs.eu-central-1.amazonaws.com"),
        ("secretsmanager", "secretsmanager.eu-central-1.amazonaws.com"),
    ],
)
def test_a_service_is_in_its_region(service: Service, host: str) -> None:
    assert place_of(service, HERE) == Place(f"https://{host}/", host, "eu-central-1")
    assert place_of(service, HERE).is_tls


def test_china_has_a_domain_of_its_own() -> None:
    assert place_of("sqs", {"AWS_REGION": "cn-north-1"}).host == "sqs.cn-north-1.amazonaws.com.cn"


def test_the_default_region_counts_where_there_is_no_other() -> None:
    assert place_of("sqs", {"AWS_DEFAULT_REGION": "us-east-1"}).region == "us-east-1"
    assert place_of("sqs", {**HERE, "AWS_DEFAULT_REGION": "us-east-1"}).region == "eu-central-1"


def test_the_endpoint_of_a_service_goes_before_that_of_all() -> None:
    given = {
        **HERE,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:2/",
    }
    assert place_of("dynamodb", given).url == "http://127.0.0.1:1/"
    assert place_of("secretsmanager", given).url == "http://127.0.0.1:2/"
    assert not place_of("dynamodb", given).is_tls


@pytest.mark.parametrize("region", ["", "evil.example/", "eu", "EU-CENTRAL-1", "eu-central-1\n"])
def test_what_is_no_region_is_refused(region: str) -> None:
    with pytest.raises(AwsError) as caught:
        place_of("sqs", {"AWS_REGION": region})
    assert caught.value.code == "NoRegion"


@pytest.mark.parametrize("url", ["ftp://host", "host:80", "http://", "http://host/path", "https:///"])
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(AwsError) as caught:
        place_of("sqs", {**HERE, "AWS_ENDPOINT_URL_SQS": url})
    assert caught.value.code == "NoEndpoint"
