import pytest

from outcrop.services.s3 import errors


async def test_create_bucket(client):
    assert await client.create_bucket(Bucket="new-books") == {
        "Location": "/new-books",
        "BucketArn": "arn:aws:s3:::new-books",
    }


async def test_create_bucket_again_in_us_east_1_changes_nothing(client, bucket):
    await client.put_object(Bucket=bucket, Key="kept", Body=b"kept")
    await client.create_bucket(Bucket=bucket)
    assert await client.text(Bucket=bucket, Key="kept") == b"kept"


async def test_create_bucket_again_elsewhere(client):
    europe = client.at(region="eu-west-1")
    made = {"Bucket": "livres", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    assert (await europe.create_bucket(**made))["Location"] == "http://livres.s3.amazonaws.com/"
    with pytest.raises(errors.BucketAlreadyOwnedByYou):
        await europe.create_bucket(**made)


async def test_create_bucket_of_another_account(client, bucket):
    with pytest.raises(errors.BucketAlreadyExists):
        await client.at(account="111111111111").create_bucket(Bucket=bucket)


@pytest.mark.parametrize(
    "name", ["ab", "a" * 64, "Upper", "under_score", "-start", "end-", "two..dots", "192.168.5.4", "xn--a", "a-s3alias"]
)
async def test_create_bucket_with_a_bad_name(client, name):
    with pytest.raises(errors.InvalidBucketName) as caught:
        await client.create_bucket(Bucket=name)
    assert caught.value.members == {"BucketName": name}


@pytest.mark.parametrize(
    ("region", "constraint", "error"),
    [
        ("eu-west-1", None, errors.IllegalLocationConstraintException),
        ("eu-west-1", "eu-central-1", errors.IllegalLocationConstraintException),
        ("us-west-2", "us-east-1", errors.IllegalLocationConstraintException),
        ("us-east-1", "us-east-1", errors.InvalidLocationConstraint),
        ("us-east-1", "mars", errors.InvalidLocationConstraint),
    ],
)
async def test_create_bucket_in_the_wrong_place(client, region, constraint, error):
    where = {"CreateBucketConfiguration": {"LocationConstraint": constraint}} if constraint else {}
    with pytest.raises(error):
        await client.at(region=region).create_bucket(Bucket="books", **where)


async def test_create_bucket_with_tags_and_ownership(client):
    await client.create_bucket(
        Bucket="tagged",
        ObjectOwnership="BucketOwnerEnforced",
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1", "Tags": [{"Key": "a", "Value": "1"}]},
    )
    assert (await client.get_bucket_tagging(Bucket="tagged"))["TagSet"] == [{"Key": "a", "Value": "1"}]
    rules = (await client.get_bucket_ownership_controls(Bucket="tagged"))["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]


async def test_create_bucket_strictly_blocks_public_access(home):
    client = home.open(strict=True)
    await client.create_bucket(Bucket="books")
    block = (await client.get_public_access_block(Bucket="books"))["PublicAccessBlockConfiguration"]
    assert all(block.values())
    with pytest.raises(errors.AccessControlListNotSupported):
        await client.put_object(Bucket="books", Key="a", Body=b"", ACL="public-read")


async def test_head_bucket(client):
    await client.create_bucket(Bucket="west", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    assert (await client.head_bucket(Bucket="west"))["BucketRegion"] == "us-west-2"
    with pytest.raises(errors.NoSuchBucket):
        await client.head_bucket(Bucket="nowhere")


async def test_head_bucket_expects_an_owner(client, bucket):
    await client.head_bucket(Bucket=bucket, ExpectedBucketOwner="000000000000")
    with pytest.raises(errors.AccessDenied):
        await client.head_bucket(Bucket=bucket, ExpectedBucketOwner="111111111111")


async def test_get_bucket_location(client, bucket):
    await client.create_bucket(Bucket="ireland", CreateBucketConfiguration={"LocationConstraint": "EU"})
    assert await client.get_bucket_location(Bucket=bucket) == {}
    assert await client.get_bucket_location(Bucket="ireland") == {"LocationConstraint": "eu-west-1"}


async def test_list_buckets_in_pages(client):
    for name in ("book-c", "book-a", "book-b", "other"):
        await client.create_bucket(Bucket=name)
    first = await client.list_buckets(Prefix="book-", MaxBuckets=2)
    assert [one["Name"] for one in first["Buckets"]] == ["book-a", "book-b"]
    rest = await client.list_buckets(Prefix="book-", MaxBuckets=2, ContinuationToken=first["ContinuationToken"])
    assert [one["Name"] for one in rest["Buckets"]] == ["book-c"]
    assert "ContinuationToken" not in rest


async def test_list_buckets_shows_ones_own(client, bucket):
    assert (await client.at(account="111111111111").list_buckets())["Buckets"] == []


async def test_list_buckets_of_a_region(client, bucket):
    await client.create_bucket(Bucket="west", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    found = await client.list_buckets(BucketRegion="us-west-2")
    assert [one["Name"] for one in found["Buckets"]] == ["west"]


async def test_delete_bucket(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"")
    with pytest.raises(errors.BucketNotEmpty):
        await client.delete_bucket(Bucket=bucket)
    await client.delete_object(Bucket=bucket, Key="a")
    await client.delete_bucket(Bucket=bucket)
    with pytest.raises(errors.NoSuchBucket):
        await client.list_objects_v2(Bucket=bucket)


async def test_delete_bucket_with_old_versions(client, bucket):
    await client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    await client.put_object(Bucket=bucket, Key="a", Body=b"")
    await client.delete_object(Bucket=bucket, Key="a")
    with pytest.raises(errors.BucketNotEmpty, match="all versions"):
        await client.delete_bucket(Bucket=bucket)


async def test_delete_bucket_drops_uploads_begun(client, bucket, home):
    upload = (await client.create_multipart_upload(Bucket=bucket, Key="a"))["UploadId"]
    await client.upload_part(Bucket=bucket, Key="a", UploadId=upload, PartNumber=1, Body=b"part")
    await client.delete_bucket(Bucket=bucket)
    assert home.files() == []
