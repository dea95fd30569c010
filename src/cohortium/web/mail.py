"""Sends invitations and alarms, where a server for mail is configured. Nothing of any data is ever mailed."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage

from cohortium.config import Config
from cohortium.errors import Unavailable
from cohortium.keys import read_private

__all__ = ["send"]

SECONDS = 20


def send(config: Config, to: str, subject: str, text: str) -> None:
    """Hand one message to the server; `Unavailable` where it does not take it."""
    settings = config.mail
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.sender, to, subject
    message.set_content(text)
    try:
        with smtplib.SMTP(settings.host, settings.port, timeout=SECONDS) as server:
            if settings.starttls:
                server.starttls(context=ssl.create_default_context())
            if settings.user:
                path = config.file.parent / settings.password_file
                server.login(settings.user, read_private(path, "the password for mail"))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(
            f"the mail was not taken ({type(error).__name__}); hand over yourself what it was to say"
        ) from None
