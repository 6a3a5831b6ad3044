import json

import pytest

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
