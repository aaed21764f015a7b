"""What a provider says of our account with it, asked by a call that sends and changes nothing.

One reader of answers for each provider that has such a call; what is said never holds a key.
"""

import os
import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.mail import get_connection

from digest import logs
from digest.errors import ProviderSettingsError
from digest.records import Verdict

from . import providers

SECONDS = 10
_OK = 200
_BAD_REQUEST = 400
_REFUSED = (401, 403)
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Account:
    """How the provider sees us."""

    state: Verdict
    what: str
    mend: str = ""
    selectors: tuple[str, ...] = ()
    """The names of the DKIM keys that it signs with, where it tells."""


Said = Mapping[str, Any]


def ask(name: str) -> Account:
    """What the provider of this name says; never raises for what it answers, or does not."""
    asked = _ASKED.get(name)
    if asked is None:
        return Account(
            Verdict.SKIPPED,
            f"{name}: not checked, it has no call that sends nothing",
            "Send a digest to yourself.",
        )
    try:
        found = asked()
    except (ProviderSettingsError, _AnswerError) as error:
        found = _bad(str(error), f"Check the settings of {name}: docs/providers.md.")
    except (AttributeError, TypeError):
        # A list or a text stands where the provider's documentation has an object.
        found = _bad("answers with other JSON than it should", "Check its address.")
    except (requests.RequestException, OSError, smtplib.SMTPException, BotoCoreError) as error:
        said = logs.masked(" ".join(str(error).split()))[:150] if isinstance(error, OSError) else ""
        kind = type(error).__name__
        is_web = isinstance(error, requests.RequestException)
        found = Account(
            Verdict.FAIL,
            f"can't be reached ({kind if is_web or not said else f'{kind}: {said}'})",
            "Check its address and what this machine may reach.",
        )
    prefix = "" if found.what.startswith(f"{name}:") else f"{name}: "
    return Account(found.state, prefix + found.what, found.mend, found.selectors)


def selectors(name: str) -> tuple[str, ...]:
    """The names of the DKIM keys that the provider signs with, of those that tell."""
    return ask(name).selectors if name in ("mailgun", "amazon_ses") else ()


class _AnswerError(Exception):
    """The provider answered, and not with what was asked for."""


def sender_domain() -> str:
    """The domain of DEFAULT_FROM_EMAIL."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2].lower()


def signing_domain(name: str) -> str:
    """The domain that the provider signs for: the sender's, unless its settings name another."""
    other = settings.ANYMAIL.get("MAILGUN_SENDER_DOMAIN") if name == "mailgun" else ""
    return str(other or sender_domain()).lower()


def _link(name: str) -> Any:
    return providers.connection(name)


def _call(
    url: str, *, headers: Said | None = None, auth: Any = None, body: Any = None
) -> requests.Response:
    return requests.request(
        "GET" if body is None else "POST",
        url,
        headers={"Accept": "application/json", **(headers or {})},
        auth=auth,
        json=body,
        timeout=SECONDS,
        allow_redirects=False,
    )


def _read(answer: requests.Response) -> Said:
    """The answer's JSON object; _AnswerError where the key is refused, or it is no answer."""
    if answer.status_code in _REFUSED:
        raise _AnswerError(f"refuses the key (HTTP {answer.status_code})")
    if answer.status_code != _OK:
        raise _AnswerError(f"answers HTTP {answer.status_code}")
    try:
        said = answer.json()
    except ValueError as error:
        raise _AnswerError("answers with something that is no JSON") from error
    if not isinstance(said, dict):
        raise _AnswerError("answers with other JSON than it should")
    return said


def _good(what: str, *selectors: str) -> Account:
    return Account(Verdict.OK, what, selectors=selectors)


def _bad(what: str, mend: str, *selectors: str) -> Account:
    return Account(Verdict.FAIL, what, mend, selectors)


def _warned(what: str, mend: str, *selectors: str) -> Account:
    return Account(Verdict.WARN, what, mend, selectors)


def _of_domain(entries: Any, *, is_good: Callable[[Said], bool], key: str = "name") -> Account:
    """What a list of domains says of ours, or of one above it."""
    domain = sender_domain()
    found = [
        each
        for each in entries
        if domain == (name := str(each.get(key, "")).lower()) or domain.endswith(f".{name}")
    ]
    if not found:
        return _bad(f"the key is good; {domain} is none of its domains", "Add the domain there.")
    if not any(map(is_good, found)):
        return _bad(f"{domain} is not verified", "Set the DNS records that it shows you.")
    return _good(f"the key is good and {domain} is verified")


def _mailgun() -> Account:
    link, domain = _link("mailgun"), signing_domain("mailgun")
    base = str(link.api_url)
    # Domains moved to version 4; messages, which the setting is for, did not.
    base = base.removesuffix("v3/") + "v4/" if base.endswith("v3/") else base
    answer = _call(f"{base}domains/{domain}", auth=("api", link.api_key))
    if answer.status_code == _NOT_FOUND:
        return _bad(
            f"has no domain {domain} in this region",
            "Add it there, or set MAILGUN_SENDER_DOMAIN, or MAILGUN_API_URL to the EU's.",
        )
    if answer.status_code in _REFUSED:
        # A sending key may do nothing else; a message of no words is refused for them, not for the key.
        tried = _call(f"{link.api_url}{domain}/messages", auth=("api", link.api_key), body={})
        if tried.status_code == _BAD_REQUEST:
            return _warned(
                f"the key may send, but not look at {domain}", "That is fine for a sending key."
            )
    said = _read(answer)
    held, records = said.get("domain", {}), said.get("sending_dns_records", [])
    names = [str(each.get("name", "")) for each in records]
    keys = tuple(each.partition("._domainkey.")[0] for each in names if "._domainkey." in each)
    if held.get("is_disabled") or held.get("state") == "disabled":
        return _bad(f"{domain} is disabled", "Ask Mailgun's support why.", *keys)
    if held.get("type") == "sandbox":
        return _bad(
            f"{domain} is a sandbox, which mails authorized addresses only",
            "Add a domain of your own.",
            *keys,
        )
    if held.get("state") != "active":
        wrong = [each.get("record_type", "") for each in records if each.get("valid") != "valid"]
        said_of = f": {', '.join(wrong)} not found" if wrong else ""
        return _bad(f"{domain} is not verified{said_of}", "Set the DNS records it shows.", *keys)
    return _good(f"the key is good and {domain} is active", *keys)


def _postmark() -> Account:
    link = _link("postmark")
    said = _read(
        _call(f"{link.api_url}server", headers={"X-Postmark-Server-Token": link.server_token})
    )
    if said.get("DeliveryType") == "Sandbox":
        return _bad(
            "the server is a sandbox, which delivers nothing", "Take a live server's token."
        )
    return _good("the token is good, of a live server")


def _brevo() -> Account:
    link = _link("brevo")
    said = _read(_call(f"{link.api_url}account", headers={"api-key": link.api_key}))
    if said.get("relay", {}).get("enabled") is False:
        return _bad("transactional mail is not enabled", "Ask Brevo to activate it.")
    limits = [p for p in said.get("plan", []) if p.get("creditsType") == "sendLimit"]
    if limits and all(not plan.get("credits") for plan in limits):
        return _warned("the key is good; no mails are left of the plan", "Look at the plan there.")
    return _good("the key is good")


def _sendgrid() -> Account:
    link = _link("sendgrid")
    said = _read(
        _call(f"{link.api_url}scopes", headers={"Authorization": f"Bearer {link.api_key}"})
    )
    if "mail.send" not in said.get("scopes", []):
        return _bad("the key may not send", "Give it the permission Mail Send.")
    return _good("the key is good and may send")


def _resend() -> Account:
    link = _link("resend")
    answer = _call(f"{link.api_url}domains", headers={"Authorization": f"Bearer {link.api_key}"})
    if "restricted_api_key" in answer.text:
        return _good("the key is good, for sending only, so that its domains can't be seen")
    if answer.status_code == _BAD_REQUEST and "API key" in answer.text:
        raise _AnswerError("refuses the key (HTTP 400)")
    return _of_domain(
        _read(answer).get("data", []), is_good=lambda d: d.get("status") == "verified"
    )


def _mailjet() -> Account:
    link, domain = _link("mailjet"), sender_domain()
    # Version 3.1 has messages only.
    base = str(link.api_url).removesuffix("v3.1/") + "v3/"
    answer = _call(f"{base}REST/sender?Limit=1000", auth=(link.api_key, link.secret_key))
    address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].lower()
    senders = [s for s in _read(answer).get("Data", []) if s.get("Status") == "Active"]
    if not any(str(s.get("Email", "")).lower() in (address, f"*@{domain}") for s in senders):
        return _bad("the key is good; the sender is not validated", f"Add {domain} there.")
    return _good("the key is good and the sender is validated")


def _sparkpost() -> Account:
    link = _link("sparkpost")
    said = _read(_call(f"{link.api_url}account", headers={"Authorization": link.api_key}))
    status = said.get("results", {}).get("status", "unknown")
    if status != "active":
        return _bad(f"the account is {status}", "Ask SparkPost's support why.")
    return _good("the key is good and the account is active")


def _mailersend() -> Account:
    link = _link("mailersend")
    headers = {"Authorization": f"Bearer {link.api_token}"}
    answer = _call(f"{link.api_url}domains?limit=100", headers=headers)
    if answer.status_code == _REFUSED[1]:
        return _warned("the token may not look at its domains", "That is fine if it may send.")
    entries = _read(answer).get("data", [])
    if any(e.get("name") == sender_domain() and e.get("is_dns_active") is False for e in entries):
        return _bad(f"the DNS of {sender_domain()} is not active", "Set the records that it shows.")
    return _of_domain(entries, is_good=lambda d: bool(d.get("is_verified")))


def _unisender_go() -> Account:
    link = _link("unisender_go")
    headers = {"X-API-KEY": link.api_key}
    said = _read(_call(f"{link.api_url}system/info.json", headers=headers, body={}))
    if said.get("status") != "success":
        return _bad("refuses the key", "Check UNISENDER_GO_API_KEY and the address of its center.")
    return _good("the key is good")


def _postal() -> Account:
    link = _link("postal")
    # A message that is not there: Postal has no call that only says who we are.
    url = f"{link.api_url}api/v1/messages/message"
    said = _read(_call(url, headers={"X-Server-API-Key": link.api_key}, body={"id": 0}))
    code = str(said.get("data", {}).get("code", ""))
    if code in ("InvalidServerAPIKey", "AccessDenied", "ServerSuspended"):
        return _bad(f"refuses the key ({code})", "Check POSTAL_API_KEY and the server there.")
    return _good("the key is good")


_AWS_REFUSES = (
    "UnrecognizedClientException", "InvalidClientTokenId", "SignatureDoesNotMatch",
    "InvalidSignatureException", "ExpiredTokenException", "ExpiredToken",
)  # fmt: skip


def _amazon_ses() -> Account:
    chosen = providers.options("amazon_ses")
    patience = {"connect_timeout": SECONDS, "read_timeout": SECONDS}
    chosen["client_params"]["config"] |= patience
    link: Any = get_connection(providers.PROVIDERS["amazon_ses"].backend, **chosen)
    link.open()
    try:
        identity = _aws(link.client.get_email_identity, EmailIdentity=sender_domain())
        return _of_ses(_aws(link.client.get_account), identity)
    finally:
        link.close()


def _aws(call: Callable[..., Any], **arguments: str) -> dict[str, Any]:
    """The answer; {"code": …} where AWS does not let us look."""
    try:
        return dict(call(**arguments))
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _AWS_REFUSES:
            raise _AnswerError(f"refuses the key ({code})") from error
        return {"code": code or "no code"}


def _of_ses(account: Said, identity: Said) -> Account:
    domain = sender_domain()
    keys = tuple(identity.get("DkimAttributes", {}).get("Tokens", ()))
    status = account.get("EnforcementStatus")
    wrong = {
        f"{domain} is no identity in this region, add and verify it there": (
            identity.get("code") == "NotFoundException"
        ),
        "sending is paused for the account, see its dashboard": (
            account.get("SendingEnabled") is False or status == "SHUTDOWN"
        ),
        f"{domain} is not verified, set the DKIM records that SES shows": (
            identity.get("VerifiedForSendingStatus") is False
        ),
        "the account is in the sandbox and mails verified addresses only, ask for production access": (
            account.get("ProductionAccessEnabled") is False
        ),
    }
    if found := [words for words, is_so in wrong.items() if is_so]:
        what, _, mend = found[0].partition(", ")
        return _bad(what, mend[0].upper() + mend[1:] + ".", *keys)
    if status == "PROBATION":
        return _warned("the account is under review", "See SES's reputation page.", *keys)
    if "code" in account or "code" in identity:
        code = account.get("code") or identity.get("code")
        return _warned(
            f"the key is taken, but may not look at all of the account ({code})",
            "Allow it ses:GetAccount and ses:GetEmailIdentity.",
            *keys,
        )
    quota = account.get("SendQuota", {})
    return _good(f"the key is good; {quota.get('Max24HourSend', 0):,.0f} mails a day", *keys)


def _smtp() -> Account:
    chosen = providers.options("smtp") | {"timeout": SECONDS}
    link: Any = get_connection(providers.PROVIDERS["smtp"].backend, **chosen)
    try:
        link.open()
    except smtplib.SMTPAuthenticationError as error:
        return _bad(
            f"refuses the login ({error.smtp_code})", "Check the user and password of SMTP_URL."
        )
    except smtplib.SMTPNotSupportedError:
        return _bad("has no STARTTLS, or no login", "Check the port and the scheme of SMTP_URL.")
    finally:
        link.close()
    is_near = chosen["host"] in ("localhost", "127.0.0.1", "::1")
    if not (chosen["use_tls"] or chosen["use_ssl"] or is_near):
        return _warned(
            "answers; mails and password go there unencrypted", "Add ?tls=1 to SMTP_URL."
        )
    login = " and takes the login" if chosen["username"] else ""
    return _good(f"answers{login}")


def _outbox() -> Account:
    if not os.access(settings.VAR_DIR, os.W_OK):
        return _bad(f"{settings.VAR_DIR} can't be written to", "Give this user the folder.")
    return _good("mail stays in files on this machine, at /outbox/")


_ASKED: Mapping[str, Callable[[], Account]] = {
    "mailgun": _mailgun,
    "postmark": _postmark,
    "brevo": _brevo,
    "sendgrid": _sendgrid,
    "resend": _resend,
    "mailjet": _mailjet,
    "sparkpost": _sparkpost,
    "mailersend": _mailersend,
    "unisender_go": _unisender_go,
    "postal": _postal,
    "amazon_ses": _amazon_ses,
    "smtp": _smtp,
    "outbox": _outbox,
}
