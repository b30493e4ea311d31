import pytest

TO = "+15551234567"
BODY = {"to": TO, "variables": {"user_name": "Jane", "account_type": "Premium"}, "amd": True}


@pytest.mark.parametrize("version", ["v1", "v1alpha1"])
async def test_the_contract_s_request_is_accepted(client, tenant, version):
    answer = await client.post(f"/{version}/phone-number/{tenant.number_id}/outbound", json=BODY)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body == {
        "call_id": body["call_id"],
        "status": "queued",
        "status_url": f"https://voice.example/v1/calls/{body['call_id']}",
    }
