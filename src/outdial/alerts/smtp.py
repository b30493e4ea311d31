"""E-mails handed to the mail server of the settings. The only module that speaks SMTP."""

import ssl
from email.message import EmailMessage

import aiosmtplib

from outdial.net.mail_server import MailServer, Security

TIMEOUT_S = 20.0  # of each step
WHOLE_S = 60.0    # of one e-mail


class MailFailed(Exception):
    """The e-mail wasn't sent, or nobody knows. `reason` is without credentials and addresses."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MailRefused(MailFailed):
    """This e-mail will be refused again: the address isn't taken there."""


class MailPutOff(MailFailed):
    """This e-mail isn't taken now, and may be later; the mail server works, so others may be."""


async def send(server: MailServer, message: EmailMessage) -> None:
    """Raises MailFailed, MailRefused, MailPutOff. Takes a minute at most."""
    try:
        await aiosmtplib.send(
            message,
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.security is Security.TLS,
            start_tls=server.security is Security.STARTTLS,
            tls_context=ssl.create_default_context() if server.security is not Security.NONE else None,
            timeout=TIMEOUT_S,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = sorted({each.code for each in error.recipients})
        told = f"The mail server refused the address ({', '.join(str(code) for code in codes)})."
        raise (MailRefused if min(codes) >= 500 else MailPutOff)(told) from None
    except aiosmtplib.SMTPDataError as error:
        raise MailPutOff(f"The mail server didn't take the e-mail ({error.code}).") from None
    except aiosmtplib.SMTPAuthenticationError as error:
        raise MailFailed(f"The mail server refused user or password ({error.code}).") from None
    except aiosmtplib.SMTPResponseException as error:
        raise MailFailed(f"The mail server answered {error.code}.") from None
    except aiosmtplib.SMTPTimeoutError:
        raise MailFailed("The mail server didn't answer in time.") from None
    except (aiosmtplib.SMTPException, ssl.SSLError, OSError, ValueError) as error:
        raise MailFailed(f"The mail server can't be reached or used ({type(error).__name__}).") from None
