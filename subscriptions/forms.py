"""What readers type into pages: checked, and turned into plain records."""

import time
import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from django import forms
from django.core import signing
from django.http import HttpRequest, QueryDict
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from . import addresses, schedule, selectors
from .errors import AddressError
from .records import Preferences, Rhythm, Selection

SIGN_UP_HEADLINE = _("Get trending papers in your email inbox!")
SIGN_UP_NOTE = _("One short mail a day, on your topics. Leave with one click.")
SIGN_UP_BUTTON = _("Subscribe")
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

FREQUENCIES = [
    ("daily", "Every day"),
    ("weekdays", "Every weekday"),
    ("weekly", "Once a week, on Monday"),
]
HOURS = [(str(hour), f"{hour:02}:00") for hour in range(24)]
LENGTHS = {"short": 4, "medium": 8, "long": 16}
LENGTH_LABELS = [
    ("short", "Short, 4 papers"),
    ("medium", "Medium, 8"),
    ("long", "Long, 16"),
]
PAUSES = [("0", "Not paused"), ("7", "One week"), ("14", "Two weeks"), ("30", "A month")]
KEEP_PAUSE = "keep"
MOST_KEYWORD_LETTERS = 60
MOST_NAME_LETTERS = 80

_REGIONS = frozenset(
    "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific".split()  # noqa: SIM905  reads better
)


def sign_up(request: HttpRequest) -> dict[str, Any]:
    """Context of all pages: what every sign-up form says, and a stamp where one is printed."""
    said = {"headline": SIGN_UP_HEADLINE, "note": SIGN_UP_NOTE, "button": SIGN_UP_BUTTON}
    return {"sign_up": said | {"stamp": make_stamp}}


def sign_up_text(headline: str = "") -> str:
    """SIGN_UP_TEXT, as a form with a headline of its own says it."""
    if not headline:
        return str(SIGN_UP_TEXT)
    return SIGN_UP_WORDS.format(headline=headline, note=SIGN_UP_NOTE, button=SIGN_UP_BUTTON)


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


class _ListField(forms.Field):
    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[str]:
        # PostgreSQL has no NUL in texts, and no choice of ours does.
        return [text for item in value or [] if "\0" not in (text := str(item))]


class SignUpForm(AddressForm):
    """The sign-up: an address and perhaps topics, a time zone that a script found out, and the
    headline of a form on another site. What is not known (any more) is passed over: it must keep
    nobody from signing up."""

    topics = _ListField(required=False)
    timezone = forms.Field(required=False)
    headline = forms.Field(required=False)

    def clean_timezone(self) -> str:
        zone = str(self.cleaned_data["timezone"] or "")
        return zone if zone in schedule.zones() else ""

    def clean_headline(self) -> str:
        return tidy_headline(str(self.cleaned_data["headline"] or ""))


class PreferencesForm(forms.Form):
    """The preference center; `edited` first takes in what the small buttons did."""

    topics = _ListField(required=False)
    keywords = _ListField(required=False)
    authors = _ListField(required=False)
    keyword = forms.CharField(required=False)
    author = forms.CharField(required=False)
    frequency = forms.ChoiceField(choices=FREQUENCIES)
    hour = forms.TypedChoiceField(choices=HOURS, coerce=int)
    timezone = forms.CharField()
    length = forms.ChoiceField(choices=LENGTH_LABELS)
    pause = forms.ChoiceField(choices=[*PAUSES, (KEEP_PAUSE, "")])

    def clean_topics(self) -> list[str]:
        """Topics that are no more are passed over: they must not keep the rest from being saved."""
        offered = set(selectors.catalogue().values_list("slug", flat=True))
        return [slug for slug in self.cleaned_data["topics"] if slug in offered]

    def clean_keyword(self) -> str:
        return _checked_word(self.cleaned_data["keyword"])

    def clean_author(self) -> str:
        return _checked_name(self.cleaned_data["author"])

    def clean_timezone(self) -> str:
        zone = str(self.cleaned_data["timezone"])
        if zone not in schedule.zones():
            raise forms.ValidationError("Please choose a time zone from the list.")
        return zone

    def preferences(self, *, today: date, paused_until: date | None) -> Preferences:
        """What was chosen; `today` is the reader's, `paused_until` what holds until now."""
        chosen = self.cleaned_data
        if chosen["pause"] != KEEP_PAUSE:
            days = int(chosen["pause"])
            paused_until = today + timedelta(days=days) if days else None
        return Preferences(
            Selection(
                topics=tuple(chosen["topics"]),
                keywords=tuple(chosen["keywords"]),
                authors=tuple(chosen["authors"]),
                length=LENGTHS[chosen["length"]],
            ),
            Rhythm(chosen["frequency"], chosen["hour"], chosen["timezone"]),
            paused_until,
        )


def edited(posted: QueryDict) -> QueryDict:
    """The posted choices after Add and Remove: unsaved, and to be shown or saved as they are.

    A word that was typed counts without its button, too: nobody should lose it by saving. A
    word that is not allowed stays where it was typed, for the form to say so.
    """
    data = posted.copy()
    for one, many, check in (
        ("keyword", "keywords", _checked_word),
        ("author", "authors", _checked_name),
    ):
        gone = data.get(f"remove_{one}")
        words = [word for word in data.getlist(many) if word != gone]
        try:
            typed = check(data.get(one, ""))
        except forms.ValidationError:
            pass
        else:
            data[one] = ""
            if typed and typed.casefold() not in {word.casefold() for word in words}:
                words.append(typed)
        data.setlist(many, words)
    return data


def initial_of(preferences: Preferences, *, is_paused: bool) -> Mapping[str, Any]:
    """The form's values for what holds now."""
    selection, rhythm = preferences.selection, preferences.rhythm
    closest = min(LENGTHS, key=lambda name: abs(LENGTHS[name] - selection.length))
    return {
        "topics": list(selection.topics),
        "keywords": list(selection.keywords),
        "authors": list(selection.authors),
        "frequency": rhythm.frequency,
        "hour": str(rhythm.hour),
        "timezone": rhythm.timezone,
        "length": closest,
        "pause": KEEP_PAUSE if is_paused else "0",
    }


def _checked_word(text: str) -> str:
    word = " ".join(text.split())
    if len(word) > MOST_KEYWORD_LETTERS:
        raise forms.ValidationError(f"A keyword has at most {MOST_KEYWORD_LETTERS} letters.")
    if not word.isprintable():
        raise forms.ValidationError("A keyword can’t contain hidden letters. Please type it.")
    return word


def _checked_name(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > MOST_NAME_LETTERS:
        raise forms.ValidationError(f"A name has at most {MOST_NAME_LETTERS} letters.")
    for letter in name:
        # L and M: letters of all scripts, and the marks on them.
        if unicodedata.category(letter)[0] not in "LM" and letter not in " .,'’-‐·":
            shown = letter if letter.isprintable() else "?"
            raise forms.ValidationError(f"A name can’t contain “{shown}”. Please check it.")
    return name


@lru_cache(maxsize=1)
def zones() -> list[tuple[str, list[tuple[str, str]]]]:
    """The time zones to choose from: region, then (zone, its name within the region)."""
    grouped: dict[str, list[tuple[str, str]]] = {}
    for zone in sorted(schedule.zones()):
        region, _, place = zone.partition("/")
        if region in _REGIONS:
            label = place.replace("_", " ").replace("/", ", ")
            grouped.setdefault(region, []).append((zone, label))
    return list(grouped.items())


def is_listed(zone: str) -> bool:
    """Whether the zone is among those to choose from; an older or imported choice may not be."""
    return zone == "UTC" or any(zone == name for _, places in zones() for name, _ in places)
