import json

import pytest

from outcrop.services.logs.errors import (
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
)

DOCUMENT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "route53.amazonaws.com"},
                "Action": "logs:PutLogEvents",
                "Resource": "*",
            }
        ],
    }
)


async def test_the_life_of_a_policy(call):
    for number in range(10):
        put = await call("put_resource_policy", policyName=f"p{number}", policyDocument=DOCUMENT)
    assert put["resourcePolicy"]["policyDocument"] == DOCUMENT
    with pytest.raises(LimitExceededException):
        await call("put_resource_policy", policyName="more", policyDocument=DOCUMENT)
    await call("put_resource_policy", policyName="p1", policyDocument=DOCUMENT.replace("route53", "es"))
    first = await call("describe_resource_policies", limit=4)
    rest = await call("describe_resource_policies", nextToken=first["nextToken"])
    shown = [*first["resourcePolicies"], *rest["resourcePolicies"]]
    assert [policy["policyName"] for policy in shown] == [f"p{number}" for number in range(10)]
    assert "es.amazonaws.com" in shown[1]["policyDocument"]
    await call("delete_resource_policy", policyName="p1")
    with pytest.raises(ResourceNotFoundException, match=r"Policy with name \[p1\] does not exist"):
        await call("delete_resource_policy", policyName="p1")


@pytest.mark.parametrize("document", ["{", '"text"', "[]", "{}", "[" * 5000])
async def test_put_refuses_what_is_no_policy(call, document):
    with pytest.raises(InvalidParameterException):
        await call("put_resource_policy", policyName="p", policyDocument=document)


async def test_put_needs_a_name_and_no_resource(call):
    with pytest.raises(InvalidParameterException, match="policyName"):
        await call("put_resource_policy", policyDocument=DOCUMENT)
    with pytest.raises(InvalidParameterException, match="resourceArn"):
        await call("put_resource_policy", policyName="p", policyDocument=DOCUMENT, resourceArn="arn:aws:logs:x")
