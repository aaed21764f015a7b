"""Django's SMTP back end, whose one connection is kept between messages and checked after a rest."""

import smtplib
import time

from django.core.mail.backends import smtp

REST = 1.0
"""Seconds after which the server may have hung up: it is asked before a message is offered."""


class EmailBackend(smtp.EmailBackend):
    """A server that hung up in between would else leave the next message in doubt."""

    used_at = 0.0

    def open(self) -> bool | None:
        rested = time.monotonic() - self.used_at
        if self.connection is not None and rested > REST and not self._is_alive():
            self.close()
        opened = super().open()
        self.used_at = time.monotonic()
        return opened

    def _is_alive(self) -> bool:
        ok = 250
        try:
            return bool(self.connection and self.connection.noop()[0] == ok)
        except (OSError, smtplib.SMTPException):
            return False
