"""What the tests of the fake provider offer it, through Anymail and by hand."""

import json
from urllib.parse import urlencode

import requests
from anymail.message import AnymailMessage
from django.core.mail import get_connection

ALL = ["mailgun", "brevo", "postmark", "amazon_ses"]
BATCHES = ["mailgun", "brevo", "postmark"]
ADA, BOB = "ada@example.org", "bob@example.org"
HEADERS = {
    "Authorization": "Basic YXBpOmtleQ==",
    "Content-Type": "application/x-www-form-urlencoded",
}


def single(to=ADA):
    message = AnymailMessage("Hello", "A text.", "Papers <digest@papers.example.org>", [to])
    message.attach_alternative("<p>A text, für alle.</p>", "text/html")
    message.tags, message.metadata = ["digest"], {"delivery": "7"}
    message.extra_headers = {"List-Id": "Daily Papers <daily.papers.example.org>"}
    return message


def batch(*readers):
    message = single()
    message.to = list(readers)
    message.merge_metadata = {r: {"delivery": r[:3]} for r in readers}
    message.merge_headers = {r: {"List-Unsubscribe": f"<https://x/{r[:3]}>"} for r in readers}
    return message


def send(name, message):
    """What Anymail makes of the answer, by address."""
    with get_connection(f"anymail.backends.{name}.EmailBackend") as connection:
        connection.send_messages([message])
    return {to: said.status for to, said in message.anymail_status.recipients.items()}


def form(readers, variables):
    """A batch for Mailgun in its least form."""
    words = {"from": "d@papers.example.org", "subject": "S", "html": "<p>", "to": readers}
    words |= {"v:delivery": "%recipient.v:delivery%"}
    return urlencode(words | {"recipient-variables": json.dumps(variables)}, doseq=True)


def post(url, body):
    return requests.post(f"{url}/v3/x.org/messages", body, headers=HEADERS, timeout=5).status_code
