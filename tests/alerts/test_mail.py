"""E-mails of alerts: to whom, when, once, and what becomes of them when the mail server fails."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text, update

from alerts.mail_server import SENDER, Mails, mail_server, postbox
from outdial.alerts.mail_queue import LEASE, take
from outdial.alerts.mail_text import one_line, written
from outdial.alerts.notices import change_notices, is_address
from outdial.alerts.smtp import MailFailed, send
from outdial.alerts.watching import Watching
from outdial.db.alert_tables import alert_settings
from outdial.db.notify import Notifications
from outdial.db.tables import workspaces
from outdial.net.mail_server import MailServer, check_sender
from outdial.refusals import Invalid
from outdial.settings import Settings
from outdial.workspaces.audit import COMMAND_LINE


@pytest.fixture
async def mails():
    return Mails()


@pytest.fixture
async def box(mails):
    async with mail_server(mails) as port:
        yield postbox(port)


@pytest.fixture
async def told(minutes, engine):
    """Have these addresses told, and set quiet hours."""
    minutes.mail = True

    async def told(*emails, **changes):
        changes |= {"emails": list(emails)}
        return await change_notices(engine, minutes.workspace.id, changes, can_mail=True, by=COMMAND_LINE)

    await told("ops@example.com")
    return told


async def test_an_alert_is_mailed_once_when_it_is_raised_and_once_when_it_is_over(minutes, mails, box, told):
    await minutes.fail(20, "no_funds")
    await minutes.change("number_health", enabled=False)
    await minutes.pass_()
    for _ in range(2):
        assert await minutes.send(box)
        await minutes.pass_()
    assert mails.subjects == ["[Clinic] Alert: Failed calls"]
    (mail,) = mails.got
    assert (mail["From"], mail["To"]) == (SENDER, "ops@example.com")
    assert mail.get_content().replace("\r\n", "\n") == (
        "ALERT: Failed calls\n"
        "100 % of 20 calls in the last 30 minutes failed; the threshold is 20 %. Most often: no_funds (20).\n"
        f"Since {minutes.now:%Y-%m-%d} 09:03 UTC.\n"
        "What to do: Top up the account at the carrier.\n"
        "https://voice.example/calls?end_reason=failed\n\n"
        "Workspace: Clinic\n"
        "All alerts and rules: https://voice.example/alerts\n"
    )
    await minutes.end(200)
    await minutes.pass_()
    assert await minutes.send(box)
    assert mails.subjects[1:] == ["[Clinic] Over: Failed calls"]
    assert "It is good again." in mails.texts[1]
    assert await minutes.mails() == [("cleared", "ops@example.com", "sent"), ("raised", "ops@example.com", "sent")]


async def test_without_addresses_the_operators_are_told_and_nobody_else(engine, minutes, mails, box, add_person):
    minutes.mail = True
    await add_person("jane@example.com")
    await add_person("viewer@example.com", "viewer")
    await add_person("operator@localhost")
    await minutes.fail(20)
    await minutes.pass_()
    await minutes.send(box)
    assert [mail["To"] for mail in mails.got] == ["jane@example.com"]


async def test_without_a_mail_server_nothing_waits_to_be_sent(minutes, told):
    minutes.mail = False
    await minutes.fail(20)
    assert not (await minutes.pass_()).mails
    assert await minutes.mails() == []


# -- quiet hours -------------------------------------------------------------------------------------------------


async def test_in_quiet_hours_mail_waits_and_says_what_is_still_true_then(minutes, mails, box, told):
    await told("ops@example.com", quiet={"starts": "09:00", "ends": "12:00"}, time_zone="UTC")
    await minutes.change("answer_rate", enabled=False)
    await minutes.fail(20)
    await minutes.end(20)
    await minutes.fail(2, "no_funds")
    await minutes.pass_()
    assert await minutes.raised() == ["failure_share", "number_health"]  # the page doesn't wait
    await minutes.send(box)
    assert mails.got == []
    await minutes.end(100)  # the share is good again; the number was good in between, too
    await minutes.fail(2, "no_funds", ago=timedelta(seconds=0))
    await minutes.pass_()
    await minutes.pass_(4 * 60)
    await minutes.send(box)
    assert mails.subjects == ["[Clinic] Alert: Number health"]
    results = sorted((event, result) for event, _, result in await minutes.mails())
    assert results == [("cleared", "overtaken"), ("raised", "overtaken"), ("raised", "sent")]


async def test_what_fails_before_quiet_hours_isnt_tried_again_in_them(minutes, mails, box, told):
    await told("ops@example.com", quiet={"starts": "10:00", "ends": "12:00"}, time_zone="UTC")
    mails.answers[""] = "451 Later"
    await minutes.fail(20)
    await minutes.change("failure_share", window_min=240)
    await minutes.pass_()
    assert not await minutes.send(box)
    mails.answers.clear()
    await minutes.pass_(80)
    assert await minutes.send(box)
    assert mails.got == []
    await minutes.pass_(105)
    await minutes.send(box)
    assert len(mails.got) == 1


# -- failures ----------------------------------------------------------------------------------------------------


async def test_what_is_not_taken_now_is_tried_again_and_the_others_wait_with_it(minutes, mails, box, told):
    await told("a@example.com", "b@example.com")
    mails.answers[""] = "451 Try again"
    await minutes.fail(20)
    await minutes.pass_()
    assert not await minutes.send(box)
    assert mails.asked == 1
    mails.answers.clear()
    await minutes.pass_()
    assert await minutes.send(box)
    assert sorted(mail["To"] for mail in mails.got) == ["a@example.com", "b@example.com"]


async def test_an_address_that_is_refused_for_good_keeps_no_other_waiting(minutes, mails, box, told):
    await told("gone@example.com", "ops@example.com")
    mails.answers["gone@example.com"] = "550 No such user"
    await minutes.fail(20)
    await minutes.pass_()
    assert await minutes.send(box)
    assert await minutes.mails() == [("raised", "gone@example.com", "refused"), ("raised", "ops@example.com", "sent")]


async def test_a_server_that_is_away_for_days_ends_in_a_given_up_mail(minutes, told):
    nowhere = postbox(1)
    await minutes.change("failure_share", window_min=1440)
    await minutes.fail(20)
    await minutes.pass_()
    assert not await minutes.send(nowhere)
    for _ in range(3):
        minutes.now += timedelta(days=1)
        assert not await minutes.send(nowhere)
    assert await minutes.mails() == [("raised", "ops@example.com", "given_up")]
    assert await minutes.send(nowhere)


async def test_a_process_that_dies_while_it_sends_leaves_the_mail_to_another(engine, minutes, mails, box, told):
    await minutes.fail(20)
    await minutes.pass_()
    taken = await take(engine, now=minutes.now)
    assert taken is not None
    assert await take(engine, now=minutes.now) is None
    await minutes.end(200)
    await minutes.pass_()
    assert await minutes.send(box)  # that it is over waits for what may still be told
    assert mails.got == []
    minutes.now += LEASE
    assert await minutes.send(box)
    assert await minutes.mails() == [
        ("cleared", "ops@example.com", "overtaken"),
        ("raised", "ops@example.com", "overtaken"),
    ]


async def test_two_processes_send_each_mail_once(minutes, mails, box, told):
    await told(*(f"ops{n}@example.com" for n in range(10)))
    await minutes.fail(20)
    await minutes.pass_()
    await asyncio.gather(*(minutes.send(box) for _ in range(4)))
    assert sorted(mail["To"] for mail in mails.got) == sorted(f"ops{n}@example.com" for n in range(10))


async def test_two_processes_that_take_what_is_of_one_address_dont_wait_for_each_other(engine, minutes, told):
    await minutes.fail(40, "no_funds")  # two alerts and more
    await minutes.pass_()
    taken = await asyncio.gather(*(take(engine, now=minutes.now) for _ in range(6)))
    assert [len(mail.notices) for mail in taken if mail is not None] == [3]


async def test_a_dead_mail_server_delays_no_evaluation(engine, database_url, minutes, mails, box, told):
    mails.silent = True
    await minutes.fail(20, ago=minutes.now - datetime.now(UTC))
    async with Notifications(database_url) as notifications:
        watching = asyncio.create_task(Watching(engine, notifications, box, base_url="https://voice.example").run())
        async with asyncio.timeout(20):
            await mails.came.wait()
        minutes.now = datetime.now(UTC)
        await minutes.end(200, ago=timedelta(seconds=0))
        assert (await minutes.pass_(2)).cleared == 1
        watching.cancel()
        await asyncio.wait({watching})


# -- what is written ---------------------------------------------------------------------------------------------


async def test_no_name_of_a_workspace_adds_a_header(engine, minutes, mails, box, told):
    async with engine.begin() as conn:
        await conn.execute(update(workspaces).values(name="Clinic\r\nBcc: all@example.com\n\nBuy\u2028now"))
    await minutes.fail(20)
    await minutes.pass_()
    await minutes.send(box)
    (mail,) = mails.got
    assert mail["Subject"] == "[Clinic Bcc: all@example.com Buy now] Alert: Failed calls"
    assert mail["Bcc"] is None
    assert sorted(mail.keys()) == [
        "Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID",
        "Subject", "To",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "address", ["", "ops", "ops@", "@example.com", "a b@example.com", "ops@example.com\nBcc: x@example.com",
                "a@example.com,b@example.com", "<a@example.com>", "ops@ex..ample.com", "ops@example.com\x00"],
)  # fmt: skip
async def test_what_could_be_more_than_one_address_is_none(engine, minutes, address):
    assert not is_address(address)
    with pytest.raises(Invalid) as refused:
        await change_notices(engine, minutes.workspace.id, {"emails": [address]}, can_mail=True, by=COMMAND_LINE)
    assert refused.value.field == "emails[0]"


def test_lines_end_nowhere_within_one():
    assert one_line("a\r\n b\u2029c\x00\td") == "a b c d"


async def test_the_same_mail_sent_again_has_the_same_message_id(engine, minutes, told):
    await minutes.fail(20)
    await minutes.pass_()
    first = await take(engine, now=minutes.now)
    again = await take(engine, now=minutes.now + LEASE)
    ids = {some_mail(mail)["Message-ID"] for mail in (first, again)}
    assert len(ids) == 1
    assert ids.pop().endswith("@outdial.example>")


# -- the server --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "password"),
    [
        ("smtps://u:hunter2@mail.example", "mail.example", 465, "u", "hunter2"),
        ("smtp://ops%40example.com:s3cret%2F%40@mail.example", "mail.example", 587, "ops@example.com", "s3cret/@"),
        ("smtp+plain://relay:2525", "relay", 2525, None, None),
    ],
)
def test_a_mail_server_is_a_url(url, host, port, user, password):
    server = MailServer.parse(url)
    assert (server.host, server.port, server.user, server.password) == (host, port, user, password)
    assert password is None or password not in repr(server)


@pytest.mark.parametrize(
    "url",
    ["mail.example", "http://mail.example", "smtp://", "smtp://m:99999", "smtp://u@m", "smtp://m/path", "smtp://m?x=1",
     "smtp+plain://u:hunter2@mail.example"],
)  # fmt: skip
def test_what_is_no_mail_server_is_refused_without_what_was_written(url):
    with pytest.raises(ValueError, match=r"must be|needs|would") as refused:
        MailServer.parse(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("sender", ["", "Outdial", "a@", "Outdial <a@b.example>\nBcc: c@d.example"])
def test_what_is_no_sender_is_refused(sender):
    with pytest.raises(ValueError, match="e-mail address"):
        check_sender(sender)


def test_the_url_is_a_secret_that_takes_a_sender():
    settings = Settings(smtp_url="smtp://u:hunter2@mail.example", smtp_sender=SENDER)
    assert "hunter2" not in repr(settings)
    for wrong in ({"smtp_url": "smtp://u:hunter2@mail.example"}, {"smtp_url": "hunter2", "smtp_sender": SENDER}):
        with pytest.raises(ValueError, match=r"SMTP_SENDER|must be smtps") as refused:
            Settings(**wrong)
        assert "hunter2" not in str(refused.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that nobody has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return folder


def some_mail(minutes_mail):
    return written(minutes_mail, sender=SENDER, base_url="https://voice.example", now=datetime.now(UTC))


async def test_mail_goes_over_tls_with_a_password_to_a_server_whose_certificate_is_good(
    engine, minutes, mails, told, certificate, monkeypatch
):
    await minutes.fail(20)
    await minutes.pass_()
    message = some_mail(await take(engine, now=minutes.now))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    async with mail_server(mails, context) as port:
        with pytest.raises(MailFailed, match="can't be reached or used"):
            await send(MailServer.parse(f"smtp://u:s3cret%2F%40pass@localhost:{port}"), message)
        assert (mails.got, mails.users) == ([], [])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        with pytest.raises(MailFailed, match=r"user or password \(535\)") as refused:
            await send(MailServer.parse(f"smtp://u:wrong@localhost:{port}"), message)
        assert "wrong" not in str(refused.value)
        await send(MailServer.parse(f"smtp://u:s3cret%2F%40pass@localhost:{port}"), message)
    assert len(mails.got) == 1


async def test_a_server_without_tls_gets_nothing_where_tls_was_asked_for(engine, minutes, mails, box, told):
    await minutes.fail(20)
    await minutes.pass_()
    message = some_mail(await take(engine, now=minutes.now))
    with pytest.raises(MailFailed):
        await send(MailServer.parse(f"smtp://u:p@127.0.0.1:{box.server.port}"), message)
    assert (mails.got, mails.users) == ([], [])


async def test_what_waits_for_a_mail_is_found_by_an_index(engine):
    async with engine.connect() as conn:
        await conn.execute(text("SET enable_seqscan = off"))
        due = "SELECT 1 FROM alert_mails WHERE finished_at IS NULL AND due_at <= now() ORDER BY due_at"
        plan = (await conn.scalars(text(f"EXPLAIN {due}"))).all()
    assert "ix_alert_mails_due_at" in "\n".join(plan)


# -- one workspace's trouble is nobody else's ----------------------------------------------------------------------


@pytest.fixture
async def both_told(engine, minutes, make_workspace, told):
    """Two workspaces whose alerts are raised: the first tells these addresses, and is first in the queue."""

    async def both_told(*emails):
        other = await make_workspace()
        await change_notices(engine, other.id, {"emails": ["other@example.com"]}, can_mail=True, by=COMMAND_LINE)
        async with engine.begin() as conn:
            which = alert_settings.c.workspace_id == minutes.workspace.id
            await conn.execute(update(alert_settings).where(which).values(emails=list(emails)))
        await minutes.fail(20)
        await minutes.pass_()
        await minutes.fail(20, of=other)
        await minutes.pass_()

    return both_told


@pytest.mark.parametrize("address", ["a.@example.com", ".a@example.com", "nobody", ""])
async def test_an_address_that_no_mail_can_be_written_to_delays_no_other(minutes, mails, box, both_told, address):
    await both_told(address, "ops@example.com")
    assert await minutes.send(box)
    assert sorted(mail["To"] for mail in mails.got) == ["ops@example.com", "other@example.com"]
    assert ("raised", address, "refused") in await minutes.mails()
    assert not is_address(address)


async def test_an_address_that_is_put_off_delays_no_other(minutes, mails, box, both_told):
    """Also where there are many: whoever waits for each of them waits for hours."""
    slow = [f"slow{n}@gone.example" for n in range(5)]
    mails.answers |= dict.fromkeys(slow, "450 4.1.2 Domain not found")
    await both_told(*slow)
    assert await minutes.send(box)
    assert [mail["To"] for mail in mails.got] == ["other@example.com"]
    mails.answers.clear()
    minutes.now += timedelta(minutes=5)
    assert await minutes.send(box)
    assert sorted(mail["To"] for mail in mails.got[1:]) == slow


async def test_an_e_mail_whose_content_is_refused_delays_no_other(minutes, mails, box, both_told):
    mails.refused = "554 5.7.1 Looks like spam"
    await both_told("ops@example.com")
    assert not await minutes.send(box)
    assert mails.asked == 2


@pytest.mark.parametrize("wrong", [{"quiet_from": "25:00"}, {"quiet_until": "late"}, {"time_zone": "Mars/Olympus"}])
async def test_quiet_hours_that_nobody_can_read_are_none(engine, minutes, mails, box, told, wrong):
    await told("ops@example.com", quiet={"starts": "09:00", "ends": "12:00"}, time_zone="UTC")
    async with engine.begin() as conn:
        await conn.execute(update(alert_settings).values(wrong))
    await minutes.fail(20)
    assert (await minutes.pass_()).raised == 1
    assert await minutes.send(box)
    assert mails.got
