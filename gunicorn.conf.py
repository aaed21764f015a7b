"""Read by gunicorn where it starts: its own lines look like all others (LOG_FORMAT)."""

import os

from dotenv import dotenv_values
from gunicorn import glogging

from config import logs

_FORM = ({**dotenv_values(".env"), **os.environ}).get("LOG_FORMAT") or "console"


class Logger(glogging.Logger):
    """Gunicorn's, in our form: the master has no settings of Django that could say it."""

    def setup(self, cfg: object) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(logs.formatter(_FORM))


logger_class = Logger
# A proxy passes a client's own SCRIPT_NAME and PATH_INFO on, which would move the whole site for them.
forwarder_headers = ""
# Of what says that a visit is https, the one that our proxies set themselves: a client's X-Forwarded-Ssl beside it
# would be a 400.
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
