import json

import pytest

from outcrop.services.cloudwatch.errors import (
    DashboardInvalidInputError,
    DashboardNotFoundError,
    InvalidParameterValueException,
)

BODY = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "hello"}}]})


async def test_put_dashboard(call):
    assert (await call("put_dashboard", DashboardName="d", DashboardBody=BODY))["DashboardValidationMessages"] == []
    found = await call("get_dashboard", DashboardName="d")
    assert found["DashboardBody"] == BODY
    assert found["DashboardArn"] == "arn:aws:cloudwatch::000000000000:dashboard/d"
    (entry,) = (await call("list_dashboards", DashboardNamePrefix="d"))["DashboardEntries"]
    assert entry["Size"] == len(BODY)
    await call("delete_dashboards", DashboardNames=["d"])
    with pytest.raises(DashboardNotFoundError, match="Dashboard d does not exist"):
        await call("get_dashboard", DashboardName="d")
    with pytest.raises(DashboardNotFoundError):
        await call("delete_dashboards", DashboardNames=["d"])


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"widgets": 1}', '{"widgets": [1]}', '{"widgets": [{"type": "x"}]}', "[" * 9999]
)
async def test_put_dashboard_refuses(call, body):
    with pytest.raises(DashboardInvalidInputError) as caught:
        await call("put_dashboard", DashboardName="d", DashboardBody=body)
    assert caught.value.members["dashboardValidationMessages"]
    with pytest.raises(InvalidParameterValueException):
        await call("put_dashboard", DashboardName="d d", DashboardBody=BODY)
