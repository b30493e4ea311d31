"""Webhook endpoints by the command line."""

import pytest

from outdial.cli.failures import CommandFailed


@pytest.mark.parametrize(
    "header", ["X-Key: clé", "Host: example.com", "Content-Length: 1", "webhook-id: mine", "X Key: 1"]
)
def test_a_header_that_cannot_be_sent_is_refused(outdial, outdial_json, header):
    outdial_json("workspaces", "create", "Acme")
    answer = outdial("webhooks", "add", "https://93.184.215.14/x", "--header", header)
    assert isinstance(answer.exception, CommandFailed)
    assert "--header: " in str(answer.exception)
    assert outdial_json("webhooks", "list") == []
