"""What readers type into pages: checked, and turned into plain records."""

import time
from typing import Any

from django import forms
from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from . import addresses, schedule
from .errors import AddressError

SIGN_UP_HEADLINE = _("Get trending papers in your email inbox!")
SIGN_UP_NOTE = _("One short mail a day, on your topics. Leave with one click.")
CLICKS_NOTE = _(
    "Our mail provider counts which links in it you follow. You can say no in your preferences."
)
"""Said where TRACK_CLICKS is set."""
SIGN_UP_BUTTON = _("Subscribe")
PRIVACY_LABEL = _("Privacy notice")
SIGN_UP_WORDS = "{headline} {note} [{button}]"
SIGN_UP_TEXT = format_lazy(
    SIGN_UP_WORDS, headline=SIGN_UP_HEADLINE, note=SIGN_UP_NOTE, button=SIGN_UP_BUTTON
)
"""The words of every sign-up form, as consent records keep them: in the language in which they were
shown, so they are put together when asked for. Changed words need a new version."""
CONFIRM_QUESTION = _("Please confirm that {address} should get Daily Papers.")
CONFIRM_BUTTON = _("Confirm my address")
CONFIRM_TEXT = format_lazy(
    "{question} [{button}]",
    question=format_lazy(CONFIRM_QUESTION, address=_("this address")),
    button=CONFIRM_BUTTON,
)
TEXT_VERSION = "2026-11.1"
MOST_HEADLINE_LETTERS = 80
FILL_SECONDS = 2.0
"""Nobody fills in a form faster."""


def sign_up(request: HttpRequest) -> dict[str, Any]:
    """Context of all pages: what every sign-up form says, and a stamp where one is printed."""
    said = {"headline": SIGN_UP_HEADLINE, "note": sign_up_note(), "button": SIGN_UP_BUTTON}
    notice = {"privacy_url": settings.PRIVACY_URL, "privacy_label": PRIVACY_LABEL}
    return {
        "sign_up": said | notice | {"stamp": make_stamp, "counts_clicks": settings.TRACK_CLICKS}
    }


def sign_up_note() -> str:
    """What stands below the headline."""
    return f"{SIGN_UP_NOTE} {CLICKS_NOTE}" if settings.TRACK_CLICKS else str(SIGN_UP_NOTE)


def text_version() -> str:
    """That of the words as they are under these settings."""
    return f"{TEXT_VERSION}+clicks" if settings.TRACK_CLICKS else TEXT_VERSION


def sign_up_text(headline: str = "") -> str:
    """The words of a form, perhaps with a headline of its own, and where its notice is."""
    note = sign_up_note()
    if settings.PRIVACY_URL:
        note = f"{note} {PRIVACY_LABEL} ({settings.PRIVACY_URL})"
    return SIGN_UP_WORDS.format(
        headline=headline or SIGN_UP_HEADLINE, note=note, button=SIGN_UP_BUTTON
    )


def tidy_headline(text: str) -> str:
    """What a form on another site may say instead of SIGN_UP_HEADLINE; "" for what it may not."""
    headline = " ".join(text.split())
    is_fine = len(headline) <= MOST_HEADLINE_LETTERS and headline.isprintable()
    return headline if is_fine else ""


def _signer() -> signing.Signer:
    # A TimestampSigner counts whole seconds, and would take half of two seconds for two.
    return signing.Signer(salt="subscriptions.forms.stamp")


def make_stamp() -> str:
    """Says when a form was shown, and that we showed it."""
    return _signer().sign(str(time.time()))


def _shown_at(stamp: str) -> float | None:
    try:
        return float(_signer().unsign(stamp))
    except signing.BadSignature:
        return None


def seconds_to_wait(stamp: str) -> float:
    """Until a person could have filled in the form of this stamp, at most FILL_SECONDS.

    0 without a stamp, as a POST needs none, and for one that we did not make.
    """
    shown_at = _shown_at(stamp)
    if shown_at is None:
        return 0
    # The form may come from another machine, whose clock is ahead.
    return min(max(shown_at + FILL_SECONDS - time.time(), 0), FILL_SECONDS)


class AddressForm(forms.Form):
    """An address, and two fields that people do not see and programs get wrong."""

    email = forms.CharField(strip=False, error_messages={"required": addresses.NOT_AN_ADDRESS})
    website = forms.CharField(required=False)
    stamp = forms.Field(required=False)

    def clean_email(self) -> str:
        try:
            return addresses.canonical(self.cleaned_data["email"])
        except AddressError as error:
            raise forms.ValidationError(str(error)) from error

    @property
    def is_trapped(self) -> bool:
        """Whether the field that people do not see was filled in, or a stamp made up."""
        stamp = self["stamp"].value()
        return bool(self["website"].value()) or bool(stamp and _shown_at(stamp) is None)


class ListField(forms.Field):
    """Any number of texts of one name."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[str]:
        # PostgreSQL has no NUL in texts, and no choice of ours does.
        return [text for item in value or [] if "\0" not in (text := str(item))]


class SignUpForm(AddressForm):
    """The sign-up: an address and perhaps topics, a time zone that a script found out, and the
    headline of a form on another site. What is not known (any more) is passed over: it must keep
    nobody from signing up."""

    topics = ListField(required=False)
    timezone = forms.Field(required=False)
    headline = forms.Field(required=False)

    def clean_timezone(self) -> str:
        zone = str(self.cleaned_data["timezone"] or "")
        return zone if zone in schedule.zones() else ""

    def clean_headline(self) -> str:
        return tidy_headline(str(self.cleaned_data["headline"] or ""))
