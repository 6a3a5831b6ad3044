import json

import pytest

from outcrop.services.contract import Principal
from outcrop.services.s3 import errors


def _policy(*statements):
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", **one} for one in statements]}
    )


READ = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::books/open/*"}
LIST = {"Action": ["s3:List*"], "Resource": ["arn:aws:s3:::books"]}


@pytest.fixture
async def stocked(client, bucket):
    await client.put_object(Bucket=bucket, Key="open/a", Body=b"open")
    await client.put_object(Bucket=bucket, Key="closed/a", Body=b"closed")
    return bucket


async def test_get_object_by_a_stranger(client, stocked):
    with pytest.raises(errors.AccessDenied):
        await client.anonymous.get_object(Bucket=stocked, Key="open/a")
    await client.put_bucket_policy(Bucket=stocked, Policy=_policy(READ))
    assert await client.anonymous.text(Bucket=stocked, Key="open/a") == b"open"
    with pytest.raises(errors.NoSuchKey):
        await client.anonymous.get_object(Bucket=stocked, Key="open/none")
    for key in ("closed/a", "closed/none"):
        with pytest.raises(errors.AccessDenied):
            await client.anonymous.get_object(Bucket=stocked, Key=key)


async def test_list_objects_by_a_stranger(client, stocked):
    with pytest.raises(errors.AccessDenied):
        await client.anonymous.list_objects_v2(Bucket=stocked)
    await client.put_bucket_policy(Bucket=stocked, Policy=_policy(LIST))
    assert (await client.anonymous.list_objects_v2(Bucket=stocked))["KeyCount"] == 2
    await client.delete_bucket_policy(Bucket=stocked)
    await client.put_bucket_acl(Bucket=stocked, ACL="public-read")
    assert (await client.anonymous.list_objects_v2(Bucket=stocked))["KeyCount"] == 2
    with pytest.raises(errors.NoSuchKey):
        await client.anonymous.get_object(Bucket=stocked, Key="none")


async def test_denials_and_conditions(client, stocked):
    deny = {**READ, "Effect": "Deny", "Resource": "arn:aws:s3:::books/open/a"}
    await client.put_bucket_policy(Bucket=stocked, Policy=_policy(READ, deny))
    with pytest.raises(errors.AccessDenied):
        await client.anonymous.get_object(Bucket=stocked, Key="open/a")
    unless = {**READ, "Condition": {"StringEquals": {"aws:Referer": "x"}}}
    await client.put_bucket_policy(Bucket=stocked, Policy=_policy(unless))
    with pytest.raises(errors.AccessDenied):
        await client.anonymous.get_object(Bucket=stocked, Key="open/a")


async def test_public_access_block_outweighs_policy_and_acl(client, stocked):
    await client.put_bucket_policy(Bucket=stocked, Policy=_policy(READ))
    await client.put_object_acl(Bucket=stocked, Key="closed/a", ACL="public-read")
    assert await client.anonymous.text(Bucket=stocked, Key="closed/a") == b"closed"
    block = {"RestrictPublicBuckets": True, "IgnorePublicAcls": True}
    await client.put_public_access_block(Bucket=stocked, PublicAccessBlockConfiguration=block)
    for key in ("open/a", "closed/a"):
        with pytest.raises(errors.AccessDenied):
            await client.anonymous.get_object(Bucket=stocked, Key=key)


async def test_writes_by_a_stranger(client, stocked):
    for call in (
        client.anonymous.put_object(Bucket=stocked, Key="a", Body=b""),
        client.anonymous.delete_object(Bucket=stocked, Key="open/a"),
        client.anonymous.delete_bucket(Bucket=stocked),
        client.anonymous.create_bucket(Bucket="new-bucket"),
        client.anonymous.list_buckets(),
        client.anonymous.get_bucket_policy(Bucket=stocked),
        client.anonymous.get_object_tagging(Bucket=stocked, Key="open/a"),
        client.anonymous.create_multipart_upload(Bucket=stocked, Key="m"),
    ):
        with pytest.raises(errors.AccessDenied):
            await call
    await client.put_bucket_acl(Bucket=stocked, ACL="public-read-write")
    await client.anonymous.put_object(Bucket=stocked, Key="a", Body=b"")
    await client.anonymous.delete_object(Bucket=stocked, Key="a")


async def test_get_object_with_other_headers_by_a_stranger(client, stocked):
    await client.put_bucket_policy(Bucket=stocked, Policy=_policy(READ))
    with pytest.raises(errors.InvalidRequest, match="anonymous"):
        await client.anonymous.get_object(Bucket=stocked, Key="open/a", ResponseContentType="text/html")


OTHER = "111111111111"


@pytest.fixture
def other(client):
    """A caller of another account."""
    return client.at(account=OTHER, principal=Principal(f"arn:aws:iam::{OTHER}:user/u", "u"))


async def test_another_account_by_default(client, other, stocked):
    for call in (
        other.get_object(Bucket=stocked, Key="open/a"),
        other.head_object(Bucket=stocked, Key="none"),
        other.list_objects_v2(Bucket=stocked),
        other.put_object(Bucket=stocked, Key="a", Body=b""),
        other.put_bucket_acl(Bucket=stocked, ACL="public-read"),
        other.get_bucket_tagging(Bucket=stocked),
        other.delete_bucket(Bucket=stocked),
        other.copy_object(Bucket=stocked, Key="b", CopySource=f"{stocked}/open/a"),
    ):
        with pytest.raises(errors.AccessDenied):
            await call


@pytest.mark.parametrize("who", [OTHER, f"arn:aws:iam::{OTHER}:root", f"arn:aws:iam::{OTHER}:user/u"])
async def test_another_account_by_policy(client, other, stocked, who):
    await client.put_bucket_policy(Bucket=stocked, Policy=_policy({**READ, "Principal": {"AWS": [who]}}))
    assert await other.text(Bucket=stocked, Key="open/a") == b"open"
    for stranger in (
        client.anonymous,
        other.at(account="2" * 12, principal=Principal("arn:aws:iam::222222222222:x", "")),
    ):
        with pytest.raises(errors.AccessDenied):
            await stranger.get_object(Bucket=stocked, Key="open/a")


async def test_another_account_by_acl(client, other, stocked):
    await other.create_bucket(Bucket="theirs")
    theirs = (await other.get_bucket_acl(Bucket="theirs"))["Owner"]["ID"]
    await client.put_bucket_acl(Bucket=stocked, GrantRead=f"id={theirs}", GrantWriteACP=f"id={theirs}")
    assert (await other.list_objects_v2(Bucket=stocked))["KeyCount"] == 2
    await other.put_bucket_acl(Bucket=stocked, ACL="private")
    with pytest.raises(errors.AccessDenied):
        await other.list_objects_v2(Bucket=stocked)
    await client.put_object_acl(Bucket=stocked, Key="open/a", ACL="authenticated-read")
    assert await other.text(Bucket=stocked, Key="open/a") == b"open"
    with pytest.raises(errors.AccessDenied):
        await client.anonymous.get_object(Bucket=stocked, Key="open/a")


async def test_objects_belong_to_who_wrote_them(client, other, stocked):
    await client.put_bucket_acl(Bucket=stocked, ACL="public-read-write")
    await other.put_object(Bucket=stocked, Key="theirs", Body=b"1", ACL="bucket-owner-read")
    shown = await other.get_object_acl(Bucket=stocked, Key="theirs")
    mine = (await client.get_bucket_acl(Bucket=stocked))["Owner"]["ID"]
    assert shown["Owner"]["DisplayName"] == OTHER
    assert [(grant["Grantee"]["ID"] == mine, grant["Permission"]) for grant in shown["Grants"]] == [
        (False, "FULL_CONTROL"),
        (True, "READ"),
    ]
    owners = {
        one["Key"]: one["Owner"]["DisplayName"] for one in (await client.list_objects(Bucket=stocked))["Contents"]
    }
    assert (owners["theirs"], owners["open/a"]) == (OTHER, "000000000000")
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    await client.put_bucket_ownership_controls(Bucket=stocked, OwnershipControls=controls)
    await other.put_object(Bucket=stocked, Key="mine", Body=b"2", ACL="bucket-owner-full-control")
    assert (await client.get_object_acl(Bucket=stocked, Key="mine"))["Owner"]["ID"] == mine


async def test_put_bucket_acl_without_any_grant(client, stocked):
    owner = (await client.get_bucket_acl(Bucket=stocked))["Owner"]
    await client.put_bucket_acl(Bucket=stocked, AccessControlPolicy={"Owner": owner, "Grants": []})
    assert (await client.get_bucket_acl(Bucket=stocked))["Grants"] == []


async def test_what_a_policy_denies_is_denied_to_the_owner_too(client, stocked):
    deny = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::books/open/*"}
    everything = {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::books"}
    await client.put_bucket_policy(Bucket=stocked, Policy=_policy(deny, everything))
    with pytest.raises(errors.AccessDenied):
        await client.delete_object(Bucket=stocked, Key="open/a")
    objects = [{"Key": "open/a"}, {"Key": "closed/a"}]
    done = await client.delete_objects(Bucket=stocked, Delete={"Objects": objects})
    assert [one["Key"] for one in done["Deleted"]] == ["closed/a"]
    assert [(one["Key"], one["Code"]) for one in done["Errors"]] == [("open/a", "AccessDenied")]
    with pytest.raises(errors.AccessDenied):
        await client.list_objects_v2(Bucket=stocked)
    assert "Deny" in (await client.get_bucket_policy(Bucket=stocked))["Policy"]
    await client.delete_bucket_policy(Bucket=stocked)
    assert (await client.list_objects_v2(Bucket=stocked))["KeyCount"] == 1


async def test_delete_objects_by_a_stranger(client, stocked):
    done = await client.anonymous.delete_objects(Bucket=stocked, Delete={"Objects": [{"Key": "open/a"}]})
    assert [one["Code"] for one in done["Errors"]] == ["AccessDenied"]
