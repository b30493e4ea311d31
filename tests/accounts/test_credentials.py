import pytest

from outdial.accounts.credentials import MAX_CHARS, check_credentials
from outdial.carriers.registry import CARRIERS
from outdial.refusals import Invalid


def all_of(kind):
    return {field.name: field.choices[0] if field.choices else "x" for field in kind.credential_fields}


@pytest.fixture(params=CARRIERS.values(), ids=lambda kind: kind.name)
def kind(request):
    return request.param


def test_what_the_carrier_asks_for_is_enough(kind):
    check_credentials(kind, all_of(kind))
    required = {field.name for field in kind.credential_fields if field.required}
    check_credentials(kind, {name: value for name, value in all_of(kind).items() if name in required})


def test_each_that_is_required_is_asked_for(kind):
    for field in kind.credential_fields:
        if field.required:
            with pytest.raises(Invalid) as refused:
                check_credentials(kind, {name: value for name, value in all_of(kind).items() if name != field.name})
            assert refused.value.field == f"credentials.{field.name}"


def test_each_is_of_a_size_and_one_of_its_choices(kind):
    for field in kind.credential_fields:
        for value in ["", "x" * (MAX_CHARS + 1)] + (["none of these"] if field.choices else []):
            with pytest.raises(Invalid) as refused:
                check_credentials(kind, all_of(kind) | {field.name: value})
            assert refused.value.field == f"credentials.{field.name}"


def test_what_is_none_of_the_carriers_is_named_and_what_it_wants(kind):
    with pytest.raises(Invalid) as refused:
        check_credentials(kind, all_of(kind) | {"pasword": "x"})
    assert refused.value.field == "credentials.pasword"
    assert kind.credential_fields[0].name in refused.value.message
