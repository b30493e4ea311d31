from outdial.telephony.carrier_call import CarrierCall


def test_what_it_takes_to_find_a_call_again_adds_up():
    call = CarrierCall(id="1", refs={"leg": "a"})
    assert call.with_refs_of(CarrierCall(id="1", refs={"region": "ie1"})).refs == {"leg": "a", "region": "ie1"}
    assert call.with_refs_of(CarrierCall(id="1", refs={"leg": "b"})).refs == {"leg": "b"}, "the newest word counts"


def test_nothing_new_changes_nothing():
    call = CarrierCall(id="1", refs={"leg": "a"})
    assert call.with_refs_of(CarrierCall(id="1")) is call
