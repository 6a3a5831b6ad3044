import pytest

from outcrop.engines.inference.models import Models
from outcrop.services.bedrock.catalogue import Catalogue
from outcrop.services.bedrock.catalogue.targets import Target, Targets
from outcrop.services.bedrock.store import BedrockStore
from outcrop.services.contract import Context, Principal, ResourceNotFoundException, ValidationException
from outcrop.settings import Settings
from outcrop.storage import Database

CTX = Context("000000000000", "us-east-1", Principal("arn:aws:iam::000000000000:root", "0"), "request-1", None)
SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.fixture
def targets(tmp_path):
    def make(strict=False, *llm):
        store = BedrockStore(Database(tmp_path / "bedrock.sqlite"))
        return Targets(Catalogue(), store, Models(Settings(data=tmp_path, llm=llm)), strict)

    return make


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
def test_resolve(targets, identifier):
    assert targets().resolve(CTX, identifier).model.id == SONNET


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
def test_resolve_refuses_what_is_no_model(targets, identifier):
    with pytest.raises(ValidationException, match=r"The provided model identifier is invalid\."):
        targets().resolve(CTX, identifier)


def test_resolve_refuses_other_resources(targets):
    base = "arn:aws:bedrock:us-east-1:000000000000"
    with pytest.raises(ResourceNotFoundException, match="provisioned-model"):
        targets().resolve(CTX, f"{base}:provisioned-model/abcdefghijkl")
    with pytest.raises(ValidationException, match="prompt resources are not available here"):
        targets().resolve(CTX, f"{base}:prompt/ABCDEFGHIJ:1")


def test_resolve_in_strict_mode_wants_a_profile(targets):
    with pytest.raises(ValidationException, match="on-demand throughput isn’t supported"):
        targets(True).resolve(CTX, SONNET)
    assert targets(True).resolve(CTX, f"us.{SONNET}").model.id == SONNET
    assert targets(True).resolve(CTX, "amazon.nova-lite-v1:0").model.id == "amazon.nova-lite-v1:0"


def test_resolve_asks_what_was_added_first(targets):
    found = targets()
    base = found.resolve(CTX, SONNET)
    assert base.resource == f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET}"
    arn = "arn:aws:bedrock:us-east-1:000000000000:custom-model/x/abcdefghijkl"
    found.add(lambda ctx, identifier: Target(base.model, arn, arn) if identifier == arn else None)
    assert found.resolve(CTX, arn) == Target(base.model, arn, arn)
    assert found.resolve(CTX, SONNET) == base


def test_resolve_takes_new_ids_that_the_settings_map(targets):
    assert targets(False, "acme.*=http://x/v1#m").resolve(CTX, "acme.new-v1").model.writes_text
    with pytest.raises(ValidationException):
        targets(False, "http://x/v1#m").resolve(CTX, "acme.new-v1")
