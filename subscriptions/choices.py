"""The form of the preference centre: what a reader chose there, checked, as plain records."""

import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from . import schedule, selectors, services
from .errors import ChoiceError
from .forms import ListField
from .models import MOST_DIAL, Subscriber
from .records import Preferences, Rhythm, Selection
from .services.choosing import MOST_LENGTH, MOST_LETTERS, MOST_VOTES

Choice = tuple[str, str | Promise]

WEEKLY = "weekly"
FREQUENCIES: list[Choice] = [
    ("daily", gettext_lazy("Every day")),
    ("weekdays", gettext_lazy("Every weekday")),
    (WEEKLY, gettext_lazy("Once a week")),
    ("monthly", gettext_lazy("Once a month, on the first")),
]
HOURS = [(str(hour), f"{hour:02}:00") for hour in range(24)]
LENGTHS = (4, 8, 16, 32)
"""Quick choices; any number up to MOST_LENGTH will do."""
NOT_PAUSED, UNTIL = "0", "until"
PAUSES: list[Choice] = [
    (NOT_PAUSED, gettext_lazy("Not paused")),
    ("7", gettext_lazy("One week")),
    ("14", gettext_lazy("Two weeks")),
    ("30", gettext_lazy("A month")),
]
FORMATS: list[Choice] = [
    (Subscriber.Format.HTML, Subscriber.Format.HTML.label),
    (Subscriber.Format.TEXT, Subscriber.Format.TEXT.label),
]
DIALS: list[tuple[str, str | Promise, str | Promise]] = [
    (
        "0",
        gettext_lazy("Popular"),
        gettext_lazy(
            "The most voted papers of the day, whatever they are about, yours among them."
        ),
    ),
    (
        "1",
        gettext_lazy("Rather popular"),
        gettext_lazy("The most voted papers of the day, and yours move up among them."),
    ),
    (
        "2",
        gettext_lazy("Balanced"),
        gettext_lazy(
            "Your papers, by how well they fit and how many vote for them, and one that is a little "
            "different."
        ),
    ),
    (
        "3",
        gettext_lazy("Rather personal"),
        gettext_lazy(
            "Your papers, the closest to what you follow first, votes count a little, and one "
            "that is a little different."
        ),
    ),
    (
        "4",
        gettext_lazy("Personal"),
        gettext_lazy("Only what you follow, the closest to it first."),
    ),
]
"""Each step with its name and what it means."""
MANY, FAST = "0", "1"
TRENDING: list[Choice] = [
    (MANY, gettext_lazy("Many votes so far")),
    (FAST, gettext_lazy("Trending: votes that come fast")),
]
LEARNS_HINT = gettext_lazy(
    "Only in the browser where you save it, for a year, by a cookie. We keep which papers’ pages you "
    "open on this site and when, nothing else, for 180 days, and let them count a little. The list "
    "above shows them; turning this off deletes them. It counts however you came to a page; the "
    "links in mails tell us nothing."
)
LABELS = {
    "keyword": gettext_lazy("Add a keyword"),
    "author": gettext_lazy("Add an author"),
    "organization": gettext_lazy("Add an organisation"),
    "frequency": gettext_lazy("How often"),
    "weekday": gettext_lazy("Once a week, on"),
    "hour": gettext_lazy("Time of day"),
    "timezone": gettext_lazy("Time zone"),
    "length": gettext_lazy("At most this many papers"),
    "least_votes": gettext_lazy("Only papers with at least this many votes"),
    "dial": gettext_lazy("Popular or personal"),
    "trending": gettext_lazy("What makes a paper popular"),
    "learns": gettext_lazy("Learn from the paper pages that I open"),
    "counts_clicks": gettext_lazy("Our mail provider may count which links I follow"),
    "format": gettext_lazy("Format"),
    "language": gettext_lazy("Language of your mails"),
    "pause": gettext_lazy("Pause"),
    "paused_until": gettext_lazy("Mail starts again on"),
}
"""What the page calls each field."""
_REGIONS = frozenset(
    "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific".split()  # noqa: SIM905  reads better
)


def weekdays() -> list[tuple[str, str]]:
    """`1` to `7` with their names, Monday first."""
    monday = date(2024, 1, 1)
    days = (monday + timedelta(days=ahead) for ahead in range(7))
    return [(str(day.isoweekday()), schedule.weekday_name(day)) for day in days]


def _number(*, least: int, most: int, **options: Any) -> forms.IntegerField:
    """A field for a whole number, which says of any other what it takes."""
    line = format_lazy(
        gettext_lazy("Please give a whole number from {least} to {most}."), least=least, most=most
    )
    errors = dict.fromkeys(("required", "invalid", "min_value", "max_value"), line)
    return forms.IntegerField(min_value=least, max_value=most, error_messages=errors, **options)


class PreferencesForm(forms.Form):
    """The preference centre; `edited` first takes in what the small buttons did."""

    topics = ListField(required=False)
    categories = ListField(required=False)
    keywords = ListField(required=False)
    authors = ListField(required=False)
    organizations = ListField(required=False)
    keyword = forms.CharField(required=False)
    author = forms.CharField(required=False)
    organization = forms.CharField(required=False)
    frequency = forms.ChoiceField(choices=FREQUENCIES)
    weekday = forms.ChoiceField(choices=[(str(n), "") for n in range(1, 8)], required=False)
    hour = forms.TypedChoiceField(choices=HOURS, coerce=int)
    timezone = forms.CharField()
    length = _number(least=1, most=MOST_LENGTH)
    least_votes = _number(least=0, most=MOST_VOTES, required=False)
    dial = _number(least=0, most=MOST_DIAL, required=False)
    trending = forms.ChoiceField(choices=TRENDING, required=False)
    learns = forms.BooleanField(required=False)
    counts_clicks = forms.BooleanField(required=False)
    format = forms.ChoiceField(choices=FORMATS, required=False)
    language = forms.CharField(required=False, max_length=10)
    pause = forms.ChoiceField(choices=[*PAUSES, (UNTIL, "")])
    paused_until = forms.DateField(required=False)

    def clean_topics(self) -> list[str]:
        """Topics that are no more are passed over: they must not keep the rest from being saved."""
        offered = set(selectors.catalogue().values_list("slug", flat=True))
        return [slug for slug in self.cleaned_data["topics"] if slug in offered]

    def clean_keyword(self) -> str:
        return _checked_word(self.cleaned_data["keyword"])

    def clean_author(self) -> str:
        return _checked_name(self.cleaned_data["author"])

    def clean_organization(self) -> str:
        return _checked_organization(self.cleaned_data["organization"])

    def clean_timezone(self) -> str:
        zone = str(self.cleaned_data["timezone"])
        if zone not in schedule.zones():
            raise forms.ValidationError(_("Please choose a time zone from the list."))
        return zone

    def clean_language(self) -> str:
        language = str(self.cleaned_data["language"])
        if language and language not in dict(settings.LANGUAGES):
            raise forms.ValidationError(_("Please choose a language from the list."))
        return language

    def clean(self) -> dict[str, Any]:
        chosen = self.cleaned_data
        if chosen.get("pause") == UNTIL and not (
            chosen.get("paused_until") or "paused_until" in self.errors
        ):
            self.add_error("paused_until", _("Please give the day on which mail starts again."))
        return chosen

    def preferences(self, subscriber: Subscriber, *, today: date) -> Preferences:
        """What was chosen, on a day of the reader's; what the form left out is as it was, but for
        boxes, which a browser leaves out when they are not ticked."""
        chosen = self.cleaned_data
        frequency = chosen["frequency"]
        if frequency == WEEKLY and chosen["weekday"] not in ("", "1"):
            frequency = f"{WEEKLY}-{chosen['weekday']}"
        return Preferences(
            Selection(
                topics=tuple(chosen["topics"]),
                categories=tuple(chosen["categories"]),
                keywords=tuple(chosen["keywords"]),
                authors=tuple(chosen["authors"]),
                organizations=tuple(chosen["organizations"]),
                length=chosen["length"],
                least_votes=chosen["least_votes"] or 0,
                trending=subscriber.trending
                if not chosen["trending"]
                else chosen["trending"] == FAST,
                dial=subscriber.dial if chosen["dial"] is None else chosen["dial"],
                taste=subscriber.taste,
                format=chosen["format"] or subscriber.format,
                language=chosen["language"] or subscriber.language,
                counts_clicks=chosen["counts_clicks"]
                if settings.TRACK_CLICKS
                else subscriber.counts_clicks,
            ),
            Rhythm(frequency, chosen["hour"], chosen["timezone"]),
            self._paused_until(subscriber.paused_until, today),
            learns=chosen["learns"],
        )

    def _paused_until(self, held: date | None, today: date) -> date | None:
        chosen, day = self.cleaned_data["pause"], self.cleaned_data["paused_until"]
        # A day that was typed counts, even where its button was not pressed.
        is_typed = chosen == NOT_PAUSED and day and day != held
        if chosen == UNTIL or is_typed:
            return day if day and day > today else None
        days = int(chosen)
        return today + timedelta(days=days) if days else None


def edited(posted: QueryDict) -> QueryDict:
    """The posted choices after Add and Remove: unsaved, and to be shown or saved as they are.

    A word that was typed counts without its button, too: nobody should lose it by saving. A
    word that is not allowed stays where it was typed, for the form to say so. A name that is only
    looked for stays, too.
    """
    data = posted.copy()
    for one, many, check in (
        ("keyword", "keywords", _checked_word),
        ("author", "authors", _checked_name),
        ("organization", "organizations", _checked_organization),
    ):
        if found := data.get(f"add_{one}"):
            data[one] = found
        gone = data.get(f"remove_{one}")
        words = [word for word in data.getlist(many) if word != gone]
        try:
            typed = check(data.get(one, ""))
        except forms.ValidationError:
            pass
        else:
            if data.get("find") != one:
                data[one] = ""
                if typed and typed.casefold() not in {word.casefold() for word in words}:
                    words.append(typed)
        data.setlist(many, words)
    return data


def initial_of(preferences: Preferences, *, is_paused: bool) -> Mapping[str, Any]:
    """The form's values for what holds now."""
    selection, rhythm = preferences.selection, preferences.rhythm
    frequency, _dash, day = rhythm.frequency.partition("-")
    return {
        "topics": list(selection.topics),
        "categories": list(selection.categories),
        "keywords": list(selection.keywords),
        "authors": list(selection.authors),
        "organizations": list(selection.organizations),
        "frequency": frequency,
        "weekday": day or "1",
        "hour": str(rhythm.hour),
        "timezone": rhythm.timezone,
        "length": selection.length,
        "least_votes": selection.least_votes,
        "dial": selection.dial,
        "trending": FAST if selection.trending else MANY,
        "learns": preferences.learns,
        "counts_clicks": selection.counts_clicks,
        "format": selection.format,
        "language": selection.language,
        "pause": UNTIL if is_paused else NOT_PAUSED,
        "paused_until": preferences.paused_until.isoformat()
        if is_paused and preferences.paused_until
        else "",
    }


def _checked_word(text: str) -> str:
    word = " ".join(text.split())
    if word:
        try:
            services.check_keyword(word)
        except ChoiceError as error:
            raise forms.ValidationError(str(error)) from error
    return word


def _checked_name(text: str) -> str:
    name = _short_name(text)
    for letter in name:
        # L and M: letters of all scripts, and the marks on them.
        if unicodedata.category(letter)[0] not in "LM" and letter not in " .,'’-‐·":
            shown = letter if letter.isprintable() else "?"
            raise forms.ValidationError(_("A name can’t contain “%s”. Please check it.") % shown)
    return name


def _checked_organization(text: str) -> str:
    name = _short_name(text)
    if not name.isprintable():
        raise forms.ValidationError(_("A name can’t contain hidden letters. Please type it."))
    return name


def _short_name(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > MOST_LETTERS:
        raise forms.ValidationError(_("A name has at most %d letters.") % MOST_LETTERS)
    return name


@lru_cache(maxsize=1)
def zones() -> list[tuple[str, list[tuple[str, str]]]]:
    """The time zones to choose from: region, then (zone, its name within the region)."""
    grouped: dict[str, list[tuple[str, str]]] = {}
    for zone in sorted(schedule.zones()):
        region, _slash, place = zone.partition("/")
        if region in _REGIONS:
            label = place.replace("_", " ").replace("/", ", ")
            grouped.setdefault(region, []).append((zone, label))
    return list(grouped.items())


def is_listed(zone: str) -> bool:
    """Whether the zone is among those to choose from; an older or imported choice may not be."""
    return zone == "UTC" or any(
        zone == name for _region, places in zones() for name, _label in places
    )
