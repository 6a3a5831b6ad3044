"""What a bucket's notification configuration may say. `tests/services/lambda_/test_notifications.py` delivers."""

from dataclasses import replace

import pytest

from outcrop.services.contract import ResourceNotFoundException
from outcrop.services.s3 import errors
from outcrop.services.s3.notices import concerns

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
PUT = ["s3:ObjectCreated:Put"]


def rule(events=PUT, **affixes):
    filters = [{"Name": name, "Value": value} for name, value in affixes.items()]
    made = {"LambdaFunctionArn": FUNCTION, "Events": events}
    return {**made, "Filter": {"Key": {"FilterRules": filters}}} if filters else made


@pytest.fixture
def put(client, bucket):
    async def put(*rules, **others):
        configuration = {"LambdaFunctionConfigurations": list(rules), **others}
        await client.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=configuration, SkipDestinationValidation=True
        )
        return await client.get_bucket_notification_configuration(Bucket=bucket)

    return put


async def test_put_bucket_notification_configuration(put):
    given = rule(["s3:ObjectCreated:*"], prefix="in/", SUFFIX=".pdf")
    (kept,) = (await put(given))["LambdaFunctionConfigurations"]
    assert kept.pop("Id")
    assert kept["Filter"]["Key"]["FilterRules"] == [
        {"Name": "Prefix", "Value": "in/"},
        {"Name": "Suffix", "Value": ".pdf"},
    ]
    assert await put() == {}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{**rule(), "LambdaFunctionArn": "f"}], "could not be parsed"),
        ([rule(middle="x")], "must be either prefix or suffix"),
        ([rule(prefix="a", Prefix="b")], "more than one prefix"),
        ([rule(prefix="x" * 1025)], "cannot exceed 1024 bytes"),
        ([{**rule(), "Id": "a"}, {**rule(prefix="b"), "Id": "a"}], "IDs must be unique"),
        ([rule(), rule()], "ambiguously"),
        ([rule(prefix="a"), rule(prefix="ab")], "ambiguously"),
        ([rule(["s3:ObjectCreated:*"], suffix=".pdf"), rule(suffix="f")], "overlapping suffixes"),
    ],
)
async def test_put_bucket_notification_configuration_refuses(put, rules, message):
    with pytest.raises(errors.InvalidArgument, match=message):
        await put(*rules)


async def test_rules_that_exclude_each_other_are_taken(put):
    rules = [
        rule(prefix="a/", suffix=".pdf"),
        rule(prefix="a/", suffix=".txt"),
        rule(prefix="b/"),
        rule(["s3:ObjectRemoved:*"], prefix="a/"),
    ]
    assert len((await put(*rules))["LambdaFunctionConfigurations"]) == 4


@pytest.mark.parametrize(
    ("others", "what"),
    [
        ({"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": PUT}]}, "SQS"),
        ({"TopicConfigurations": [{"TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "Events": PUT}]}, "SNS"),
        ({"EventBridgeConfiguration": {}}, "EventBridge"),
    ],
)
async def test_targets_that_do_not_exist_here_are_refused(put, others, what):
    with pytest.raises(errors.InvalidArgument, match=what):
        await put(**others)


async def test_put_bucket_notification_configuration_asks_the_function(client, bucket, home, monkeypatch):
    async def call(service, operation, request):
        assert (service, operation, request["FunctionName"]) == ("lambda", "invoke", FUNCTION)
        raise ResourceNotFoundException("no")

    def context(account, region, principal):
        assert (principal.arn, principal.user_id) == ("s3.amazonaws.com", f"arn:aws:s3:::{bucket}")
        return replace(client.context, principal=principal, call=call)

    notifications = next(r for r in client.service.resources if hasattr(r, "put_bucket_notification_configuration"))
    monkeypatch.setattr(notifications, "_context", context)
    with pytest.raises(errors.InvalidArgument, match="Unable to validate the following destination") as raised:
        await client.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [rule()]}
        )
    assert raised.value.members["ArgumentValue"] == "The destination Lambda does not exist"


@pytest.mark.parametrize(
    ("wanted", "event", "key", "expected"),
    [
        (rule(), "ObjectCreated:Put", "a", True),
        (rule(), "ObjectCreated:Copy", "a", False),
        (rule(["s3:ObjectCreated:*"]), "ObjectCreated:Copy", "a", True),
        (rule(["s3:ObjectCreated:*"]), "ObjectRemoved:Delete", "a", False),
        (rule(prefix="in/", suffix=".pdf"), "ObjectCreated:Put", "in/a.pdf", True),
        (rule(prefix="in/", suffix=".pdf"), "ObjectCreated:Put", "out/a.pdf", False),
        (rule(prefix="in/", suffix=".pdf"), "ObjectCreated:Put", "in/a.PDF", False),
    ],
)
def test_concerns(wanted, event, key, expected):
    assert concerns(wanted, event, key) is expected
