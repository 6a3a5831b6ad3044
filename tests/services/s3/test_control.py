import pytest

from outcrop.services.s3 import errors


@pytest.mark.parametrize("arn", ["arn:aws:s3:::books", "arn:aws:s3:us-east-1:000000000000:bucket/books"])
async def test_tags_of_a_bucket_by_arn(client, bucket, arn):
    named = {"AccountId": "000000000000", "ResourceArn": arn}
    assert await client.list_tags_for_resource(**named) == {"Tags": []}
    await client.tag_resource(**named, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    await client.tag_resource(**named, Tags=[{"Key": "a", "Value": "3"}])
    tags = [{"Key": "a", "Value": "3"}, {"Key": "b", "Value": "2"}]
    assert await client.list_tags_for_resource(**named) == {"Tags": tags}
    assert (await client.get_bucket_tagging(Bucket=bucket))["TagSet"] == tags
    await client.untag_resource(**named, TagKeys=["a", "b"])
    with pytest.raises(errors.NoSuchTagSet):
        await client.get_bucket_tagging(Bucket=bucket)


async def test_tags_of_no_bucket(client):
    with pytest.raises(errors.NoSuchResource):
        await client.list_tags_for_resource(AccountId="000000000000", ResourceArn="arn:aws:s3:::nowhere")
