import base64
import re
import time

import pytest

from outcrop.services.contract import Credential, Principal
from outcrop.services.iam import errors, names
from outcrop.services.iam.credentials import Credentials
from outcrop.storage import Database


@pytest.fixture
async def key(call):
    await call("create_user", UserName="ann", Path="/staff/")
    return (await call("create_access_key", UserName="ann"))["AccessKey"]


def test_lookup_development_credentials(tmp_path):
    credentials = Credentials(Database(tmp_path / "iam.sqlite"), "123456789012")
    principal = Principal("arn:aws:iam::123456789012:root", "123456789012", "test", "root")
    assert credentials.lookup("test") == Credential("test", "test", "123456789012", principal)


def test_lookup_an_account(call):
    found = call.credentials.lookup("111122223333")
    assert (found.secret, found.account, found.principal.arn) == (
        *("test", "111122223333", "arn:aws:iam::111122223333:root"),
    )


@pytest.mark.parametrize(
    "key", ["", "nobody", "AKIAIOSFODNN7EXAMPLE", "11112222333", "ABSKnonsense", "\0", "\ud800"[:0]]
)
def test_lookup_nobody(call, key):
    assert call.credentials.lookup(key) is None


async def test_create_access_key(call, key):
    assert re.fullmatch("AKIA[A-Z2-7]{16}", key["AccessKeyId"])
    assert len(key["SecretAccessKey"]) == 40
    assert (key["UserName"], key["Status"]) == ("ann", "Active")
    found = call.credentials.lookup(key["AccessKeyId"])
    assert (found.secret, found.account, found.session_token, found.expires_at) == (
        *(key["SecretAccessKey"], "000000000000", "", None),
    )
    assert (found.principal.arn, found.principal.kind) == ("arn:aws:iam::000000000000:user/staff/ann", "user")


async def test_access_keys_stop_when_switched_off(call, key):
    key_id = key["AccessKeyId"]
    await call("update_access_key", UserName="ann", AccessKeyId=key_id, Status="Inactive")
    assert (await call("list_access_keys", UserName="ann"))["AccessKeyMetadata"][0]["Status"] == "Inactive"
    assert call.credentials.lookup(key_id) is None
    await call("update_access_key", UserName="ann", AccessKeyId=key_id, Status="Active")
    assert call.credentials.lookup(key_id) is not None
    await call("delete_access_key", UserName="ann", AccessKeyId=key_id)
    assert call.credentials.lookup(key_id) is None
    with pytest.raises(errors.NoSuchEntity, match=rf"^The Access Key with id {key_id} cannot be found\.$"):
        await call("delete_access_key", UserName="ann", AccessKeyId=key_id)


async def test_access_keys_of_another_user(call, key):
    await call("create_user", UserName="bob")
    with pytest.raises(errors.NoSuchEntity):
        await call("delete_access_key", UserName="bob", AccessKeyId=key["AccessKeyId"])


async def test_access_keys_survive_a_restart(call, key, tmp_path):
    fresh = Credentials(Database(tmp_path / "iam.sqlite"), "000000000000")
    assert fresh.lookup(key["AccessKeyId"]).secret == key["SecretAccessKey"]


async def test_two_access_keys(call, key):
    await call("create_access_key", UserName="ann")
    with pytest.raises(errors.LimitExceeded, match=r"^Cannot exceed quota for AccessKeysPerUser: 2$"):
        await call("create_access_key", UserName="ann")


async def test_access_keys_of_the_caller(call, key):
    ann = call.as_key(key["AccessKeyId"])
    second = (await ann("create_access_key"))["AccessKey"]
    assert second["UserName"] == "ann"
    assert len((await ann("list_access_keys"))["AccessKeyMetadata"]) == 2
    await ann("delete_access_key", AccessKeyId=second["AccessKeyId"])


async def test_access_keys_of_the_root(call):
    made = (await call("create_access_key"))["AccessKey"]
    assert call.credentials.lookup(made["AccessKeyId"]).principal.arn == "arn:aws:iam::000000000000:root"
    assert len((await call("list_access_keys"))["AccessKeyMetadata"]) == 1
    assert (await call("get_account_summary"))["SummaryMap"]["AccountAccessKeysPresent"] == 1


async def test_get_access_key_last_used(call, key):
    found = await call("get_access_key_last_used", AccessKeyId=key["AccessKeyId"])
    assert found == {"UserName": "ann", "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    with pytest.raises(errors.AccessDenied, match=r"on resource: access key AKIAIOSFODNN7EXAMPLE$"):
        await call("get_access_key_last_used", AccessKeyId="AKIAIOSFODNN7EXAMPLE")


def test_access_key_ids_say_the_account():
    for account in ("000000000000", "123456789012", "999999999999"):
        assert names.account_of(names.access_key_id("ASIA", account)) == account
    assert names.account_of("AKIA!") is None


async def test_bedrock_api_key(call, key):
    user = {"UserName": "ann"}
    made = await call(
        "create_service_specific_credential", **user, ServiceName="bedrock.amazonaws.com", CredentialAgeDays=30
    )
    made = made["ServiceSpecificCredential"]
    secret = made["ServiceCredentialSecret"]
    assert made["ServiceCredentialAlias"] == "ann-at-000000000000"
    assert base64.b64decode(secret.removeprefix("ABSK")).startswith(b"BedrockAPIKey-ann-at-000000000000:")
    assert 29 < (made["ExpirationDate"] - made["CreateDate"]).total_seconds() / 86400 < 31
    found = call.credentials.lookup(secret)
    assert (found.secret, found.principal.arn) == (secret, "arn:aws:iam::000000000000:user/staff/ann")

    (listed,) = (await call("list_service_specific_credentials", **user))["ServiceSpecificCredentials"]
    assert listed == {name: value for name, value in made.items() if name != "ServiceCredentialSecret"}
    assert (await call("list_service_specific_credentials", AllUsers=True))["ServiceSpecificCredentials"] == [listed]

    one = {"ServiceSpecificCredentialId": made["ServiceSpecificCredentialId"]}
    await call("update_service_specific_credential", **user, **one, Status="Inactive")
    assert call.credentials.lookup(secret) is None
    await call("update_service_specific_credential", **user, **one, Status="Active")
    renewed = await call("reset_service_specific_credential", **one)
    assert call.credentials.lookup(secret) is None
    secret = renewed["ServiceSpecificCredential"]["ServiceCredentialSecret"]
    assert call.credentials.lookup(secret) is not None
    await call("delete_service_specific_credential", **user, **one)
    assert call.credentials.lookup(secret) is None
    with pytest.raises(errors.NoSuchEntity):
        await call("delete_service_specific_credential", **user, **one)


async def test_bedrock_api_key_expires(call, key, monkeypatch):
    made = await call(
        "create_service_specific_credential",
        UserName="ann",
        ServiceName="bedrock.amazonaws.com",
        CredentialAgeDays=1,
    )
    secret = made["ServiceSpecificCredential"]["ServiceCredentialSecret"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86401)
    assert call.credentials.lookup(secret) is None
    (listed,) = (await call("list_service_specific_credentials", UserName="ann"))["ServiceSpecificCredentials"]
    assert listed["Status"] == "Expired"


async def test_two_bedrock_api_keys(call, key):
    for _ in range(2):
        await call("create_service_specific_credential", UserName="ann", ServiceName="bedrock.amazonaws.com")
    with pytest.raises(errors.LimitExceeded):
        await call("create_service_specific_credential", UserName="ann", ServiceName="bedrock.amazonaws.com")
    with pytest.raises(errors.NotSupportedService):
        await call("create_service_specific_credential", UserName="ann", ServiceName="codecommit.amazonaws.com")
