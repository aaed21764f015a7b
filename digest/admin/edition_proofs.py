"""The proof of an edition's digest in the admin: as any choice of topics or as one reader gets it, and
by mail to the operator."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    QueryDict,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.clickjacking import xframe_options_sameorigin

from digest.delivery.due import planning
from digest.delivery.mails import proofs
from digest.delivery.mails.proofs import Proof
from digest.editions import drafts
from digest.models import Draft, Edition
from subscriptions import addresses, limits, selectors
from subscriptions.admin.finding import is_id
from subscriptions.errors import AddressError, RefusedError, TemporaryError
from subscriptions.models import Subscriber, Topic
from subscriptions.records import Selection

from . import edition_draft

# The mail's own styles are inline; nothing else may load or run.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
_SHOWN = ("html", "text")
_SCHEMES = ("light", "dark")
_WIDTHS = ("desktop", "phone")


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose digest of which edition."""

    frequency: str
    day: date
    topics: tuple[str, ...]
    language: str
    reader: Subscriber | None

    @property
    def proof(self) -> Proof | None:
        """The digest; None where nothing is for them."""
        now = timezone.now()
        if self.reader is not None:
            return proofs.of_reader(self.frequency, self.day, self.reader, now=now)
        selection = Selection(topics=self.topics, language=self.language)
        return proofs.of_selection(self.frequency, self.day, selection, now=now)

    @property
    def query(self) -> str:
        """What asks for it again: the topics, too, while a reader is looked at."""
        query = QueryDict(mutable=True)
        if self.reader is not None:
            query["reader"] = str(self.reader.pk)
        query.setlist("topic", list(self.topics))
        query["language"] = self.language
        return query.urlencode()

    def __str__(self) -> str:
        if self.reader is not None:
            return f"as reader {self.reader.pk}"
        return f"for {', '.join(self.topics) or 'no topics'}, {self.language}"


def _asked(
    model_admin: ModelAdmin[Any], request: HttpRequest, values: QueryDict, *where: str
) -> Asked:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    frequency, day = edition_draft.asked(*where)
    known = set(Topic.objects.values_list("slug", flat=True))
    languages = [code for code, _ in settings.LANGUAGES]
    language = values.get("language", languages[0])
    return Asked(
        frequency,
        day,
        tuple(sorted(known.intersection(values.getlist("topic")))),
        language if language in languages else languages[0],
        _reader(request, values.get("reader", "")),
    )


def _reader(request: HttpRequest, pk: str) -> Subscriber | None:
    if not pk:
        return None
    if not may_look_at_readers(request):
        raise PermissionDenied
    found = Subscriber.objects.select_related("slot").filter(pk=pk) if is_id(pk) else None
    reader = found.first() if found is not None else None
    if reader is None:
        raise Http404
    return reader


def may_look_at_readers(request: HttpRequest) -> bool:
    """Whether the operator may see what a single reader gets."""
    return request.user.has_perm("subscriptions.view_subscriber")


def page(
    model_admin: ModelAdmin[Any], request: HttpRequest, frequency: str, day: str
) -> HttpResponse:
    """The proof, with the choice of what it is of. A POST names a reader, whose address stands in no
    address of a page."""
    if request.method == "POST":
        return _found(model_admin, request, frequency, day)
    asked = _asked(model_admin, request, request.GET, frequency, day)
    proof = asked.proof
    edition = Edition(frequency=asked.frequency, date=asked.day)
    closed = Edition.objects.filter(frequency=asked.frequency, date=asked.day).first()
    looks = _looks(request.GET)
    where = [asked.frequency, asked.day]
    back = (
        reverse("admin:digest_edition_change", args=[closed.pk])
        if closed
        else edition_draft.url_of(asked.frequency, asked.day)
    )
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Proof: {edition_draft.title_of(edition)}",
        "edition": closed or edition,
        "back_url": back,
        "asked": asked,
        "proof": proof,
        "looks": looks,
        "ways": _ways(asked, looks),
        "others": _others(asked, looks),
        "topics": Topic.objects.all(),
        "languages": settings.LANGUAGES,
        "said_of_reader": _said_of(asked),
        "mail_url": f"{reverse('admin:edition_proof_mail', args=where)}?{asked.query}"
        f"&scheme={looks['scheme']}",
        "test_url": reverse("admin:edition_proof_test", args=where),
        "may_look_at_readers": may_look_at_readers(request),
        "may_send": edition_draft.may_edit(request),
        "own_address": getattr(request.user, "email", ""),
    }
    return render(request, "admin/digest/edition_proof.html", context)


def _looks(values: QueryDict) -> dict[str, str]:
    """How it is looked at."""
    return {
        name: value if (value := values.get(name)) in known else known[0]
        for name, known in (("show", _SHOWN), ("scheme", _SCHEMES), ("width", _WIDTHS))
    }


@dataclass(frozen=True, slots=True)
class Other:
    """The proof of an edition, the same one or another, as a link."""

    title: str
    url: str
    said: str
    is_this: bool


def _others(asked: Asked, looks: dict[str, str]) -> list[Other]:
    """The editions that come next and those that were closed last, for the same reader or topics."""
    found = [
        (each.frequency, each.day, f"closes {date_format(each.closes_at, 'SHORT_DATETIME_FORMAT')}")
        for each in edition_draft.coming(timezone.now())
    ]
    for frequency in Edition.Frequency.values:
        closed = Edition.objects.filter(frequency=frequency, paper_count__gt=0).first()
        if closed:
            found.append((frequency, closed.date, "closed"))
    if all((frequency, day) != (asked.frequency, asked.day) for frequency, day, _ in found):
        found.append((asked.frequency, asked.day, "this one"))
    query = f"{asked.query}&{urlencode(looks)}"
    return [
        Other(
            edition_draft.title_of(Edition(frequency=frequency, date=day)),
            f"{reverse('admin:edition_proof', args=[frequency, day])}?{query}",
            said,
            (frequency, day) == (asked.frequency, asked.day),
        )
        for frequency, day, said in sorted(found, key=lambda each: (each[0], each[1]))
    ]


def _ways(asked: Asked, looks: dict[str, str]) -> list[dict[str, Any]]:
    """The ways to look at it, as links."""
    html = {"show": "html", "width": looks["width"], "scheme": looks["scheme"]}
    ways = [
        ("Light", html | {"scheme": "light"}),
        ("Dark", html | {"scheme": "dark"}),
        ("Wide", html | {"width": "desktop"}),
        ("Phone", html | {"width": "phone"}),
        ("Text", looks | {"show": "text"}),
    ]
    is_html = looks["show"] == "html"
    chosen = {
        "Light": is_html and looks["scheme"] == "light",
        "Dark": is_html and looks["scheme"] == "dark",
        "Wide": is_html and looks["width"] == "desktop",
        "Phone": is_html and looks["width"] == "phone",
        "Text": not is_html,
    }
    found = []
    for name, look in ways:
        query = QueryDict(asked.query, mutable=True)
        query.update(look)
        found.append({"name": name, "url": f"?{query.urlencode()}", "is_chosen": chosen[name]})
    return found


def _said_of(asked: Asked) -> list[str]:
    """What the digest does not say itself of a reader who gets it, or does not."""
    reader = asked.reader
    if reader is None:
        return []
    said = []
    if reader.state != Subscriber.State.ACTIVE:
        said.append(f"Nothing goes to this reader: {reader.state}.")
    elif planning.edition_frequency(reader.frequency) != asked.frequency:
        said.append(f"This reader gets digests of the other editions ({reader.frequency}).")
    if reader.format == Subscriber.Format.TEXT:
        said.append("This reader gets the text alone.")
    return said


def _found(
    model_admin: ModelAdmin[Any], request: HttpRequest, frequency: str, day: str
) -> HttpResponse:
    if not (model_admin.has_view_permission(request) and may_look_at_readers(request)):
        raise PermissionDenied
    named = request.POST.get("who", "").strip()
    if is_id(named):
        reader = Subscriber.objects.filter(pk=named).first()
    else:
        try:
            reader = selectors.subscriber_at(addresses.canonical(named))
        except AddressError:
            reader = None
    if reader is None:
        messages.error(request, "There is no reader with this address or number.")
    # What was chosen before stays, so that only the reader is another one, or none.
    asked = replace(_asked(model_admin, request, request.POST, frequency, day), reader=reader)
    address = reverse("admin:edition_proof", args=[asked.frequency, asked.day])
    query = f"{asked.query}&{urlencode(_looks(request.POST))}"
    return HttpResponseRedirect(f"{address}?{query}")


@xframe_options_sameorigin
def mail(
    model_admin: ModelAdmin[Any], request: HttpRequest, frequency: str, day: str
) -> HttpResponse:
    """The mail's HTML as a mail reader shows it: no scripts, nothing remote."""
    proof = _asked(model_admin, request, request.GET, frequency, day).proof
    if proof is None:
        raise Http404
    scheme = "dark" if request.GET.get("scheme") == "dark" else "light"
    response = HttpResponse(proof.html_in(scheme))
    response["Content-Security-Policy"] = _MAIL_POLICY
    response["Referrer-Policy"] = "no-referrer"
    return response


def send_test(
    model_admin: ModelAdmin[Any], request: HttpRequest, frequency: str, day: str
) -> HttpResponse:
    """Mails the proof to the operator who asks for it, and to nobody else."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    asked = _asked(model_admin, request, request.POST, frequency, day)
    if not edition_draft.may_edit(request):
        raise PermissionDenied
    query = f"{asked.query}&{urlencode(_looks(request.POST))}"
    back = HttpResponseRedirect(
        f"{reverse('admin:edition_proof', args=[asked.frequency, asked.day])}?{query}"
    )
    said = _refused(request)
    proof = None if said else asked.proof
    if said or proof is None:
        messages.error(request, said or "Nothing in this edition is for this choice.")
        return back
    try:
        proofs.send(proof, to=request.user.email)  # type: ignore[union-attr]  # staff have a row
    except TemporaryError as error:
        messages.error(request, f"No provider took the test just now ({error}). Try it again.")
        return back
    except RefusedError as error:
        messages.error(request, f"The provider refuses your address: {error}.")
        return back
    model_admin.log_change(request, _logged(asked), f"Sent themselves a test, {asked}")
    messages.success(request, "The test is on its way to your own address.")
    return back


def _refused(request: HttpRequest) -> str:
    """Why no test goes out; "" where one may."""
    if not getattr(request.user, "email", ""):
        return "Your account has no email address: set one under Staff, Operators."
    if not settings.POSTAL_ADDRESS:
        return "POSTAL_ADDRESS is not set, and every mail must carry it."
    if limits.operator_tests_too_much(request, request.user.pk or 0):
        return f"These are many tests; {limits.TEST_RATE.partition('/')[0]} an hour go out."
    return ""


def _logged(asked: Asked) -> Edition | Draft:
    """The row that the log is about."""
    edition = Edition(frequency=asked.frequency, date=asked.day)
    closed = Edition.objects.filter(frequency=asked.frequency, date=asked.day).first()
    return closed or drafts.made(edition)
