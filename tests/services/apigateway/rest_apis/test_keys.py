from datetime import UTC, datetime, timedelta

import pytest

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException

VALUE = "k" * 24


async def keyed(rest, **plan):
    """An API whose method wants a key, and a key in a plan for it: the API's id, the plan's, the key's."""
    api_id = await rest.api()
    await rest.mock(api_id, "GET /a", "x", apiKeyRequired=True)
    await rest.deploy(api_id)
    stages = [{"apiId": api_id, "stage": "test"}]
    made = await rest("create_usage_plan", name="plan", apiStages=stages, **plan)
    key = await rest("create_api_key", name="key", value=VALUE, enabled=True)
    await rest("create_usage_plan_key", usagePlanId=made["id"], keyId=key["id"], keyType="API_KEY")
    return api_id, made["id"], key["id"]


async def test_a_method_wants_a_key(rest):
    api_id, plan_id, key_id = await keyed(rest)
    for headers in ({}, {"x-api-key": "wrong"}):
        got = await rest.http("GET", api_id, "/test/a", headers)
        assert (got.status, got.body) == (403, b'{"message":"Forbidden"}')
        assert got.header("x-amzn-errortype") == "ForbiddenException"
    assert (await rest.http("GET", api_id, "/test/a", {"x-api-key": VALUE})).status == 200
    off = [{"op": "replace", "path": "/enabled", "value": "false"}]
    await rest("update_api_key", apiKey=key_id, patchOperations=off)
    assert (await rest.http("GET", api_id, "/test/a", {"x-api-key": VALUE})).status == 403
    on = [{"op": "replace", "path": "/enabled", "value": "true"}]
    await rest("update_api_key", apiKey=key_id, patchOperations=on)
    assert (await rest.http("GET", api_id, "/test/a", {"x-api-key": VALUE})).status == 200
    await rest("delete_usage_plan_key", usagePlanId=plan_id, keyId=key_id)
    assert (await rest.http("GET", api_id, "/test/a", {"x-api-key": VALUE})).status == 403


async def test_a_quota_ends(rest):
    api_id, plan_id, key_id = await keyed(rest, quota={"limit": 2, "period": "DAY"})
    headers = {"x-api-key": VALUE}
    assert [(await rest.http("GET", api_id, "/test/a", headers)).status for _ in range(3)] == [200, 200, 429]
    got = await rest.http("GET", api_id, "/test/a", headers)
    assert got.body == b'{"message":"Limit Exceeded"}'
    assert got.header("x-amzn-errortype") == "LimitExceededException"
    day = datetime.now(UTC).date()
    usage = await rest("get_usage", usagePlanId=plan_id, startDate=day.isoformat(), endDate=day.isoformat())
    assert usage["items"] == {key_id: [[2, 0]]}
    more = [{"op": "replace", "path": "/remaining", "value": "1"}]
    await rest("update_usage", usagePlanId=plan_id, keyId=key_id, patchOperations=more)
    assert [(await rest.http("GET", api_id, "/test/a", headers)).status for _ in range(2)] == [200, 429]


async def test_a_plan_throttles(rest):
    api_id, plan_id, _ = await keyed(rest, throttle={"rateLimit": 0.001, "burstLimit": 1})
    headers = {"x-api-key": VALUE}
    assert (await rest.http("GET", api_id, "/test/a", headers)).status == 200
    got = await rest.http("GET", api_id, "/test/a", headers)
    assert (got.status, got.body) == (429, b'{"message":"Too Many Requests"}')
    path = f"/apiStages/{api_id}:test/throttle/~1a/GET"
    changes = [
        {"op": "add", "path": f"{path}/rateLimit", "value": "100"},
        {"op": "add", "path": f"{path}/burstLimit", "value": "100"},
    ]
    plan = await rest("update_usage_plan", usagePlanId=plan_id, patchOperations=changes)
    assert plan["apiStages"][0]["throttle"] == {"/a/GET": {"rateLimit": 100.0, "burstLimit": 100}}
    assert (await rest.http("GET", api_id, "/test/a", headers)).status == 200


async def test_a_stage_throttles_its_methods(rest):
    api_id = await rest.api()
    await rest.mock(api_id, "GET /a", "x")
    await rest.deploy(api_id)
    changes = [
        {"op": "replace", "path": "/~1a/GET/throttling/rateLimit", "value": "0.001"},
        {"op": "replace", "path": "/~1a/GET/throttling/burstLimit", "value": "1"},
    ]
    await rest("update_stage", restApiId=api_id, stageName="test", patchOperations=changes)
    assert [(await rest.http("GET", api_id, "/test/a")).status for _ in range(2)] == [200, 429]


async def test_keys_and_plans_that_cannot_be(rest):
    api_id, plan_id, key_id = await keyed(rest)
    with pytest.raises(ConflictException, match="API Key already exists"):
        await rest("create_api_key", name="other", value=VALUE)
    with pytest.raises(BadRequestException, match="at least 20 characters"):
        await rest("create_api_key", name="other", value="short")
    with pytest.raises(NotFoundException, match="Invalid API Key identifier specified"):
        await rest("get_api_key", apiKey="nothing")
    with pytest.raises(ConflictException):
        await rest("create_usage_plan_key", usagePlanId=plan_id, keyId=key_id, keyType="API_KEY")
    with pytest.raises(BadRequestException, match="associated with API stages"):
        await rest("delete_usage_plan", usagePlanId=plan_id)
    with pytest.raises(BadRequestException, match="associated with the usage plan"):
        await rest("delete_stage", restApiId=api_id, stageName="test")
    for plan in ({"quota": {"limit": 1, "period": "YEAR"}}, {"quota": {"limit": 0, "period": "DAY"}}, {"name": ""}):
        with pytest.raises(BadRequestException):
            await rest("create_usage_plan", **{"name": "p", **plan})
    with pytest.raises(NotFoundException, match="API Stage not found"):
        await rest("create_usage_plan", name="p", apiStages=[{"apiId": api_id, "stage": "nope"}])


async def test_values_of_keys_are_shown_on_request(rest):
    key = await rest("create_api_key", name="key", enabled=True)
    assert len(key["value"]) == 40
    assert "value" not in await rest("get_api_key", apiKey=key["id"])
    assert (await rest("get_api_key", apiKey=key["id"], includeValue=True))["value"] == key["value"]
    assert "value" not in (await rest("get_api_keys"))["items"][0]
    assert (await rest("get_api_keys", nameQuery="other"))["items"] == []


async def test_keys_come_as_a_table(rest):
    _, plan_id, _ = await keyed(rest)
    table = f"name,key,enabled,usageplanIds\nn,{'v' * 20},true,{plan_id}\nold,{VALUE},true,\n"
    result = await rest("import_api_keys", body=table.encode(), format="csv")
    assert (len(result["ids"]), result["warnings"]) == (1, ["API Key already exists"])
    members = (await rest("get_usage_plan_keys", usagePlanId=plan_id))["items"]
    assert {member["name"] for member in members} == {"key", "n"}
    for bad in (b"\xff\xfe", b"name\nx\n"):
        with pytest.raises(BadRequestException):
            await rest("import_api_keys", body=bad, format="csv")


async def test_usage_of_a_range_of_days(rest):
    _, plan_id, _ = await keyed(rest)
    day = datetime.now(UTC).date()
    for first, last in ((day, day - timedelta(days=1)), (day - timedelta(days=500), day)):
        with pytest.raises(BadRequestException):
            await rest("get_usage", usagePlanId=plan_id, startDate=first.isoformat(), endDate=last.isoformat())
    with pytest.raises(BadRequestException):
        await rest("get_usage", usagePlanId=plan_id, startDate="yesterday", endDate="today")
