"""What whoever looks at a delivery that failed may try first. Pure."""

from outdial.net.urls import REFUSED_ADDRESS
from outdial.webhooks.attempt import Problem

_HINTS = {
    Problem.REDIRECT: "Redirects aren't followed: give the URL that it leads to.",
    Problem.TIMEOUT: "No answer within 15 s. Answer 2xx at once, and do the work afterwards.",
    Problem.CONNECTION: "Nothing there took the connection and answered by HTTP. Is the receiver running?",
    Problem.HOST_NOT_FOUND: "There is no such host. Is the name right?",
    Problem.TLS: "Its certificate isn't valid for this name. A private authority is made known by SSL_CERT_FILE.",
    Problem.REFUSED_ADDRESS: f"The URL {REFUSED_ADDRESS}.",
    Problem.BAD_URL: "The URL isn't one that this server would ask any more: change it.",
    Problem.NOT_SIGNED: "Its secret can't be read with this server's secret key: make a new one.",
}
_STATUS_HINTS = {
    401: "The receiver doesn't take the signature: is it verified over the raw body, with this endpoint's secret?",
    403: "The receiver doesn't take the request: is the signature verified over the raw body, with this endpoint's "
    "secret? Does it want a header?",
    404: "There is nothing at this URL, or it isn't switched on.",
    410: "The receiver says that this URL is gone for good.",
    413: "The receiver takes no body of this size.",
    429: "The receiver wants fewer requests; it is asked again later.",
}
_TEST_URL = (
    "This is the test URL of an n8n workflow: it answers only while you listen in the editor. Activate the workflow, "
    "and give its production URL (…/webhook/…)."
)


def hint(url: str, problem: Problem | None, status: int | None) -> str | None:
    """None where there is nothing to be done, or nothing is known."""
    if problem is None:
        return None
    if status == 404 and "/webhook-test/" in url:
        return _TEST_URL
    return _STATUS_HINTS.get(status or 0) or _HINTS.get(problem)
