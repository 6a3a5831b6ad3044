import pytest

from outcrop.engines.inference.models import Models
from outcrop.services.bedrock.catalogue import Catalogue
from outcrop.services.bedrock.catalogue.targets import Targets
from outcrop.services.contract import ResourceNotFoundException, ValidationException
from outcrop.settings import Settings

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"


def targets(strict=False, *llm):
    return Targets(Catalogue(), Models(Settings(llm=llm)), strict)


@pytest.mark.parametrize(
    "identifier",
    [
        SONNET,
        f"us.{SONNET}",
        f"global.{SONNET}",
        f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET}",
        f"arn:aws:bedrock:us-east-1:000000000000:inference-profile/eu.{SONNET}",
    ],
)
def test_resolve(identifier):
    assert targets().resolve(identifier).id == SONNET


@pytest.mark.parametrize(
    "identifier",
    [
        "nothing",
        "us.nothing",
        f"mars.{SONNET}",
        "arn:aws:s3:::bucket",
        "arn:aws:bedrock:us-east-1::foundation-model/x",
        "",
    ],
)
def test_resolve_refuses_what_is_no_model(identifier):
    with pytest.raises(ValidationException, match=r"The provided model identifier is invalid\."):
        targets().resolve(identifier)


def test_resolve_refuses_other_resources():
    base = "arn:aws:bedrock:us-east-1:000000000000"
    with pytest.raises(ResourceNotFoundException, match="provisioned-model"):
        targets().resolve(f"{base}:provisioned-model/abcdefghijkl")
    with pytest.raises(ValidationException, match="prompt resources are not available here"):
        targets().resolve(f"{base}:prompt/ABCDEFGHIJ:1")


def test_resolve_in_strict_mode_wants_a_profile():
    with pytest.raises(ValidationException, match="on-demand throughput isn’t supported"):
        targets(True).resolve(SONNET)
    assert targets(True).resolve(f"us.{SONNET}").id == SONNET
    assert targets(True).resolve("amazon.nova-lite-v1:0").id == "amazon.nova-lite-v1:0"


def test_resolve_takes_new_ids_that_the_settings_map():
    assert targets(False, "acme.*=http://x/v1#m").resolve("acme.new-v1").writes_text
    with pytest.raises(ValidationException):
        targets(False, "http://x/v1#m").resolve("acme.new-v1")
