"""What is wrong with the way from the public URL to the server, in words. Pure: `check_way` has looked."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from outdial.cli.findings import Finding, Status
from outdial.cli.way_seen import PROXY, PUBLIC, Answer, Reached, Sent

EXPIRES_SOON_DAYS = 14
GATEWAY = (502, 503, 504)
TOO_LARGE = (400, 413, 414, 431, 494)
OWN = "problem+json"  # our errors; and each answer has a request id


def place_faults(url: str, reached: Reached) -> Iterator[Finding]:
    """Name, connection, TLS: what carriers meet before the server. Nothing where all is well."""
    host = urlsplit(url).hostname or ""
    if reached.unresolved is not None:
        todo = f"Make a DNS record for {host} that leads here, or correct OUTDIAL_PUBLIC_URL."
        yield _fail(f"name: {host} isn't found ({reached.unresolved})", todo)
        return
    tried = ", ".join(f"{address}: {why}" for address, why in reached.refused.items())
    if not reached.is_reached:
        todo = (
            "Start the proxy or tunnel, open its port in the firewall, and see where the name leads. A router may not "
            "lead back to its own public address from inside (hairpin NAT): then try it from another network, "
            f"curl {url}/healthz"
        )
        yield _fail(f"connection: {host} can't be reached from this machine ({tried})", todo)
        return
    if reached.refused:
        todo = "Carriers try any of the name's addresses: remove those that lead nowhere from its DNS record."
        yield _warn(PUBLIC, f"connection: of {host}'s addresses some don't answer ({tried})", todo)
    if private := [address for address in reached.resolved if not ipaddress.ip_address(address).is_global]:
        todo = "See what carriers get: dig @1.1.1.1 " + host
        yield _warn(PUBLIC, f"name: {host} is {', '.join(private)} here, which nobody outside can reach", todo)
    if reached.tls is not None:
        todo = "Carriers refuse it: give the proxy a certificate for this name, with its whole chain (Caddy does so)."
        yield _fail(f"TLS: the certificate isn't trusted ({reached.tls})", todo)
    elif reached.days_left is not None and reached.days_left < EXPIRES_SOON_DAYS:
        todo = "Renew it, and see why that isn't done by itself."
        yield _warn(PUBLIC, f"TLS: the certificate expires in {reached.days_left} days", todo)


def answer_faults(url: str, answer: Answer, local: str) -> Iterator[Finding]:
    """Whether it is this server that answers; `local` is where a proxy has to lead."""
    if answer.seen is not None:
        found = f"{url} reaches worker {answer.seen['worker']}; whether strangers do as well can't be seen from here"
        yield Finding(subject=PUBLIC, status=Status.OK, found=found)
        return
    server = answer.headers.get("server", "")
    by = f"{answer.status}" + (f", {server}" if server else "")
    if answer.lost is not None:
        yield _fail(f"{url} takes the request but doesn't answer ({answer.lost})", _lead_to(local))
    elif 300 <= answer.status < 400:
        to = answer.headers.get("location", "elsewhere").partition("/callbacks/")[0]
        todo = "Carriers sign the address they call: set OUTDIAL_PUBLIC_URL to where it leads, or don't redirect."
        yield _fail(f"redirect: {url} leads to {to} ({by})", todo)
    elif answer.status in (401, 403, 407):
        todo = "Let carriers in without one: /callbacks/ and /media/."
        yield _fail(f"wrong server: {url} asks for a login or denies ({by})", todo)
    elif answer.status in GATEWAY:
        yield _fail(f"the proxy at {url} doesn't reach Outdial ({by})", _lead_to(local))
    elif OWN in answer.headers.get("content-type", "") and "x-request-id" in answer.headers:
        todo = "Is it the server of this database? One of an older version has to be replaced first."
        yield _fail(f"wrong server: another Outdial answers at {url}, or a changed path reaches it ({by})", todo)
    else:
        yield _fail(f"wrong server: what answers at {url} isn't Outdial ({by})", _lead_to(local))


def request_faults(url: str, sent: Sent, answer: Answer, trusted: str) -> Iterator[Finding]:
    """What a proxy has made of a request; nothing where it left it as it was."""
    seen = answer.seen
    if seen is None:
        return
    told = urlsplit(url)
    if seen["path"] != sent.path:
        if seen["path"] == told.path + sent.path:
            todo = f"The public URL has the path {told.path}: have the proxy take it off before it passes requests on."
            yield _fail(f"path: {told.path} isn't taken off by the proxy", todo, PROXY)
        else:
            before, after = (_shown(path) for path in (told.path + sent.path, seen["path"]))
            todo = "Pass paths on as they are (nginx: proxy_pass without anything after the host)."
            yield _fail(f"path: the proxy makes {after} of {before}; no callback finds its call", todo, PROXY)
    if seen["query"] != sent.query:
        todo = "Pass it on as it is: carriers sign it."
        yield _fail("query: what follows ? in an address is changed or dropped by the proxy", todo, PROXY)
    if seen["body_sha256"] != sent.body_sha256:
        yield _fail("body: the proxy changes what is sent", "Pass bodies on as they are: carriers sign them.", PROXY)
    headers: Mapping[str, str] = seen["headers"]
    if urlsplit(f"//{headers.get('host', '')}").hostname != told.hostname:
        todo = "Pass on the name that was asked for (nginx: proxy_set_header Host $host;)."
        yield _warn(PROXY, f"Host: the proxy makes {headers.get('host') or 'nothing'} of {told.hostname}", todo)
    yield from _who_asks(told.scheme, seen, trusted)


def _who_asks(scheme: str, seen: Mapping[str, object], trusted: str) -> Iterator[Finding]:
    """What a proxy tells of who has asked it, and how."""
    headers = seen["headers"]
    assert isinstance(headers, Mapping)
    proto = headers.get("x-forwarded-proto")
    if scheme == "https" and proto is None:
        todo = "Have it send X-Forwarded-Proto (nginx: proxy_set_header X-Forwarded-Proto $scheme;)."
        yield _warn(PROXY, "X-Forwarded-Proto: missing; the server takes requests for unencrypted ones", todo)
    elif proto is not None and seen["scheme"] != proto.split(",")[0].strip():
        todo = f"Add the proxy's address to OUTDIAL_TRUSTED_PROXIES (now {trusted or 'nobody'})."
        yield _warn(PROXY, f"X-Forwarded-…: not believed from {seen['client']}", todo)
    elif proto is not None and proto != scheme:
        todo = "Have the first proxy say so, and the others pass it on."
        yield _warn(PROXY, f"X-Forwarded-Proto: says {proto} where {scheme} was asked for", todo)
    if scheme == "https" and "x-forwarded-for" not in headers:
        todo = "Have it send X-Forwarded-For: without it all limits for strangers meet everybody at once."
        yield _warn(PROXY, "X-Forwarded-For: missing; everybody seems to be the proxy", todo)


def signature_fault(label: str, carrier: str, sent: Sent, answer: Answer) -> Finding:
    """Whether a callback signed as this carrier signs was taken for genuine by the code that checks callbacks."""
    subject = f"{label} signature"
    if answer.seen is None:
        found = f"a signed callback wasn't answered by this server ({answer.lost or answer.status})"
        todo = "See what is said of the public address."
        return Finding(subject=subject, status=Status.FAIL, found=found, todo=todo)
    if answer.seen["signed"].get(carrier):
        found = "a callback signed as it signs them holds behind the public URL"
        return Finding(subject=subject, status=Status.OK, found=found)
    changed = [
        name
        for name, same in (
            ("path", answer.seen["path"] == sent.path),
            ("query", answer.seen["query"] == sent.query),
            ("body", answer.seen["body_sha256"] == sent.body_sha256),
        )
        if not same
    ]
    what = f"changes the {' and the '.join(changed)}" if changed else "drops or changes headers it doesn't know"
    todo = "Have the proxy pass on path, query, headers and body as they are; OUTDIAL_PUBLIC_URL is what carriers call."
    return Finding(subject=subject, status=Status.FAIL, found=f"broken on its way: the proxy {what}", todo=todo)


def header_fault(answer: Answer, size: int) -> Finding | None:
    """Of a request with this many bytes of headers."""
    if answer.seen is not None:
        return None
    found = f"headers: a request with {size:,} bytes of headers is refused ({answer.lost or answer.status})"
    todo = "Allow 16 KB and more (nginx: large_client_header_buffers 4 16k;)."
    return Finding(subject=PROXY, status=Status.WARN, found=found, todo=todo)


def events_fault(answer: Answer, after_s: float | None, within_s: float) -> Finding | None:
    """`after_s`: when the first event came; None where it didn't."""
    if answer.seen is not None and after_s is not None and after_s <= within_s:
        return None
    found = f"events: the first one of a stream isn't passed on within {within_s:g} s"
    todo = "Switch buffering off for event streams (nginx: proxy_buffering off;), and compression."
    if answer.seen is None and answer.status not in (0, 200):
        found, todo = f"events: a stream is refused ({answer.status})", "Lead /v1/ to Outdial, too."
    return Finding(subject=PROXY, status=Status.WARN, found=found, todo=todo)


def audio_fault(where: str, url: str, sent: Sent, answer: Answer, worker: str | None) -> Finding:
    """Whether a media websocket opened at a worker's address; `worker`: who should have answered."""
    subject, seen = f"Audio {where}", answer.seen
    if seen is None:
        found = f"no websocket opens at {url} ({answer.lost or answer.status})"
        todo = "Lead /media/ there, with the connection's upgrade; see docs/deploy.md."
        if answer.status in GATEWAY:
            todo = "The proxy doesn't reach that process: see that it runs, and where the proxy leads."
    elif answer.status != 101:
        found = f"{url} is reached, but the proxy doesn't pass on that a websocket is wanted (Upgrade)"
        todo = "nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; Connection \"upgrade\"."
    elif worker is not None and seen["worker"] != worker:
        found = f"{url} leads to {seen['worker']}, and not to this one: calls with a seat here have no audio"
        todo = "Give each process an address of its own (OUTDIAL_STREAM_URL) that leads to it alone."
    elif not seen["path"].endswith(sent.path):
        found = f"the proxy makes {_shown(seen['path'])} of {_shown(sent.path)}"
        todo = "Pass paths on as they are, but for what the stream URL has before /media/."
    elif not all(seen["signed"].values()):
        found = f"{url} opens, but the signature of its handshake is broken on its way"
        todo = "Have the proxy pass on path, query and headers as they are."
    else:
        return Finding(subject=subject, status=Status.OK, found=f"a websocket opens at {url}, both ways")
    return Finding(subject=subject, status=Status.FAIL, found=found, todo=todo)


def summed_up(findings: Sequence[Finding]) -> Finding | None:
    """What is said of the proxy where nothing is wrong with it."""
    if any(finding.subject == PROXY for finding in findings):
        return None
    found = "passes on path, query, name, body, headers and events as they are"
    return Finding(subject=PROXY, status=Status.OK, found=found)


def _shown(path: str) -> str:
    """Without the token of the try."""
    before, mark, _ = path.partition("self-test/")
    return f"{before}…" if mark else path


def _lead_to(local: str) -> str:
    return f"Lead the proxy or tunnel to {local}."


def _fail(found: str, todo: str, subject: str = PUBLIC) -> Finding:
    return Finding(subject=subject, status=Status.FAIL, found=found, todo=todo)


def _warn(subject: str, found: str, todo: str) -> Finding:
    return Finding(subject=subject, status=Status.WARN, found=found, todo=todo)
