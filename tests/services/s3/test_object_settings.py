from datetime import UTC, datetime, timedelta

import pytest

from outcrop.services.s3 import errors


async def test_put_object_tagging(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"", Tagging="colour=blue&size=")
    assert (await client.head_object(Bucket=bucket, Key="a"))["TagCount"] == 2
    assert (await client.get_object_tagging(Bucket=bucket, Key="a"))["TagSet"] == [
        {"Key": "colour", "Value": "blue"},
        {"Key": "size", "Value": ""},
    ]
    tags = [{"Key": "shape", "Value": "round"}]
    await client.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": tags})
    assert (await client.get_object_tagging(Bucket=bucket, Key="a"))["TagSet"] == tags
    await client.delete_object_tagging(Bucket=bucket, Key="a")
    assert (await client.get_object_tagging(Bucket=bucket, Key="a"))["TagSet"] == []


async def test_put_object_tagging_refuses_eleven(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"")
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(11)]
    with pytest.raises(errors.BadRequest, match="cannot be greater than 10"):
        await client.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": tags})
    with pytest.raises(errors.NoSuchKey):
        await client.put_object_tagging(Bucket=bucket, Key="b", Tagging={"TagSet": []})


async def test_put_object_acl(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"", ACL="public-read")
    assert len((await client.get_object_acl(Bucket=bucket, Key="a"))["Grants"]) == 2
    await client.put_object_acl(Bucket=bucket, Key="a", ACL="private")
    (grant,) = (await client.get_object_acl(Bucket=bucket, Key="a"))["Grants"]
    assert grant["Permission"] == "FULL_CONTROL"
    with pytest.raises(errors.MissingSecurityHeader):
        await client.put_object_acl(Bucket=bucket, Key="a")


@pytest.fixture
async def locked(client):
    await client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    return "locked"


def _soon(days):
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


async def test_put_object_retention(client, locked):
    version = (await client.put_object(Bucket=locked, Key="a", Body=b""))["VersionId"]
    with pytest.raises(errors.NoSuchObjectLockConfiguration):
        await client.get_object_retention(Bucket=locked, Key="a")
    held = {"Mode": "GOVERNANCE", "RetainUntilDate": _soon(2)}
    await client.put_object_retention(Bucket=locked, Key="a", Retention=held)
    assert (await client.get_object_retention(Bucket=locked, Key="a"))["Retention"] == held
    with pytest.raises(errors.AccessDenied):
        await client.delete_object(Bucket=locked, Key="a", VersionId=version)
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": _soon(1)}
    with pytest.raises(errors.AccessDenied):
        await client.put_object_retention(Bucket=locked, Key="a", Retention=shorter)
    await client.put_object_retention(Bucket=locked, Key="a", Retention=shorter, BypassGovernanceRetention=True)
    await client.delete_object(Bucket=locked, Key="a", VersionId=version, BypassGovernanceRetention=True)


async def test_put_object_in_compliance_mode_yields_to_nobody(client, locked):
    version = (
        await client.put_object(
            Bucket=locked, Key="a", Body=b"", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=_soon(1)
        )
    )["VersionId"]
    with pytest.raises(errors.AccessDenied):
        await client.delete_object(Bucket=locked, Key="a", VersionId=version, BypassGovernanceRetention=True)
    weaker = {"Mode": "GOVERNANCE", "RetainUntilDate": _soon(3)}
    with pytest.raises(errors.AccessDenied):
        await client.put_object_retention(Bucket=locked, Key="a", Retention=weaker, BypassGovernanceRetention=True)
    longer = {"Mode": "COMPLIANCE", "RetainUntilDate": _soon(3)}
    await client.put_object_retention(Bucket=locked, Key="a", Retention=longer)


async def test_put_object_legal_hold(client, locked):
    version = (await client.put_object(Bucket=locked, Key="a", Body=b""))["VersionId"]
    await client.put_object_legal_hold(Bucket=locked, Key="a", LegalHold={"Status": "ON"})
    assert (await client.head_object(Bucket=locked, Key="a"))["ObjectLockLegalHoldStatus"] == "ON"
    with pytest.raises(errors.AccessDenied):
        await client.delete_object(Bucket=locked, Key="a", VersionId=version)
    done = await client.delete_objects(Bucket=locked, Delete={"Objects": [{"Key": "a", "VersionId": version}]})
    assert done["Errors"][0]["Code"] == "AccessDenied"
    await client.put_object_legal_hold(Bucket=locked, Key="a", LegalHold={"Status": "OFF"})
    await client.delete_object(Bucket=locked, Key="a", VersionId=version)


async def test_put_object_legal_hold_without_lock(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"")
    with pytest.raises(errors.InvalidRequest, match="missing Object Lock"):
        await client.put_object_legal_hold(Bucket=bucket, Key="a", LegalHold={"Status": "ON"})


async def test_restore_object_of_no_archive(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"")
    with pytest.raises(errors.InvalidObjectState):
        await client.restore_object(Bucket=bucket, Key="a", RestoreRequest={"Days": 1})
