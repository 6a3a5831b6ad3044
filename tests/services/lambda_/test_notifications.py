"""Objects that change, and the functions that hear of it."""

import json

import pytest
from tests.services.lambda_.conftest import ARN, until

from outcrop.services.contract import ServiceError

BUCKET = "uploads"
TELL = """
    import json, os, pathlib
    def handler(event, context):
        with open(os.environ["OUT"], "a") as out:
            out.write(json.dumps(event) + "\\n")
"""


async def body(data):
    yield data


@pytest.fixture
async def heard(call, tmp_path):
    """A function that hears of a bucket; answers the records so far."""
    await listen(call, tmp_path)

    def records():
        out = tmp_path / "heard"
        events = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
        return [record for event in events for record in event["Records"]]

    return records


async def listen(call, tmp_path, events=("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*")):
    await call("create_bucket", service="s3", Bucket=BUCKET)
    await call.create(TELL, Environment={"Variables": {"OUT": str(tmp_path / "heard")}})
    with pytest.raises(ServiceError, match="Unable to validate"):
        await configure(call, events)
    await call(
        "add_permission",
        FunctionName="f",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{BUCKET}",
        SourceAccount="000000000000",
    )
    await configure(call, events)


async def configure(call, events):
    rule = {
        "Id": "mine",
        "LambdaFunctionArn": f"{ARN}:f",
        "Events": list(events),
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}},
    }
    await call(
        "put_bucket_notification_configuration",
        service="s3",
        Bucket=BUCKET,
        NotificationConfiguration={"LambdaFunctionConfigurations": [rule]},
    )


async def put(call, key, data=b"hello"):
    return await call("put_object", service="s3", Bucket=BUCKET, Key=key, Body=body(data))


async def test_an_object_that_is_put(call, heard):
    await put(call, "out/a")
    await put(call, "in/a b+ü.txt")
    await until(heard)
    (record,) = heard()
    assert record["eventName"] == "ObjectCreated:Put"
    assert (record["eventVersion"], record["eventSource"], record["awsRegion"]) == ("2.1", "aws:s3", "us-east-1")
    assert record["s3"]["configurationId"] == "mine"
    assert record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{BUCKET}"
    about = record["s3"]["object"]
    assert about.pop("sequencer")
    assert about == {"key": "in/a+b%2B%C3%BC.txt", "size": 5, "eTag": "5d41402abc4b2a76b9719d911017c592"}


async def test_every_way_to_write_and_remove(call, heard):
    await put(call, "in/a")
    await call("copy_object", service="s3", Bucket=BUCKET, Key="in/b", CopySource=f"{BUCKET}/in/a")
    upload = (await call("create_multipart_upload", service="s3", Bucket=BUCKET, Key="in/c"))["UploadId"]
    part = await call(
        "upload_part", service="s3", Bucket=BUCKET, Key="in/c", UploadId=upload, PartNumber=1, Body=body(b"x")
    )
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    await call(
        "complete_multipart_upload", service="s3", Bucket=BUCKET, Key="in/c", UploadId=upload, MultipartUpload=parts
    )
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    await call("put_object_tagging", service="s3", Bucket=BUCKET, Key="in/a", Tagging=tags)
    await call("delete_object", service="s3", Bucket=BUCKET, Key="in/a")
    await call("delete_object", service="s3", Bucket=BUCKET, Key="in/never-was")
    await call("put_bucket_versioning", service="s3", Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    await call("delete_objects", service="s3", Bucket=BUCKET, Delete={"Objects": [{"Key": "in/b"}]})
    await until(lambda: len(heard()) == 6)
    records = sorted(heard(), key=lambda record: record["s3"]["object"]["sequencer"])
    assert [(record["eventName"], record["s3"]["object"]["key"]) for record in records] == [
        ("ObjectCreated:Put", "in/a"),
        ("ObjectCreated:Copy", "in/b"),
        ("ObjectCreated:CompleteMultipartUpload", "in/c"),
        ("ObjectTagging:Put", "in/a"),
        ("ObjectRemoved:Delete", "in/a"),
        ("ObjectRemoved:DeleteMarkerCreated", "in/b"),
    ]
    assert records[-1]["s3"]["object"]["versionId"]


async def test_a_record_survives_a_crash_before_it_is_delivered(call, stack, heard):
    with stack.databases["s3"].transaction() as connection:  # as the process leaves it that dies right after the commit
        payload = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "in/x"}}}]})
        connection.execute(
            "INSERT INTO notice (account, region, bucket, function, payload, created) VALUES (?,?,?,?,?,?)",
            ("000000000000", "us-east-1", BUCKET, f"{ARN}:f", payload, 2e9),
        )
    await stack.close()
    await stack.open()
    await until(heard)
    assert heard()[0]["s3"]["object"]["key"] == "in/x"


async def test_a_function_that_is_gone_loses_the_record(call, stack, heard, caplog):
    await call("delete_function", FunctionName="f")
    await put(call, "in/a")
    await until(lambda: "was dropped" in caplog.text)
    assert stack.databases["s3"].read("SELECT * FROM notice") == []


async def test_the_process_hears_of_changes(call, stack):
    heard = []
    stack.changes.listen(lambda change: heard.append((change.bucket, change.key, change.event)))
    await call("create_bucket", service="s3", Bucket=BUCKET)
    await put(call, "a")
    await call("delete_object", service="s3", Bucket=BUCKET, Key="a")
    await until(lambda: len(heard) == 2)
    assert heard == [(BUCKET, "a", "ObjectCreated:Put"), (BUCKET, "a", "ObjectRemoved:Delete")]
