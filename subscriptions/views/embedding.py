"""The sign-up form on other sites: HTML to paste, and the page that stands in a frame there."""

from typing import Any
from urllib.parse import urlencode

from csp.decorators import csp_replace
from django.conf import settings
from django.core.exceptions import ValidationError
from django.forms import CharField, ChoiceField, Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from subscriptions import forms, selectors

_NOT_A_HEADLINE = format_lazy(
    _("A headline has at most {most} letters, and no hidden ones."),
    most=forms.MOST_HEADLINE_LETTERS,
)
_UNKNOWN_TOPIC = _("There is no such topic. Please choose one from the list.")


def _topics() -> list[tuple[str, str]]:
    topics = [(topic.slug, topic.label) for topic in selectors.catalogue()]
    return [("", str(_("Whatever the reader chooses"))), *topics]


class EmbedForm(Form):
    """What a form on another site says and signs up for."""

    topic = ChoiceField(
        choices=_topics, required=False, error_messages={"invalid_choice": _UNKNOWN_TOPIC}
    )
    headline = CharField(
        required=False,
        max_length=forms.MOST_HEADLINE_LETTERS,
        error_messages={
            "max_length": _NOT_A_HEADLINE,
            "null_characters_not_allowed": _NOT_A_HEADLINE,
        },
    )

    def clean_headline(self) -> str:
        typed = str(self.cleaned_data["headline"])
        headline = forms.tidy_headline(typed)
        if typed and not headline:
            raise ValidationError(_NOT_A_HEADLINE)
        return headline

    @property
    def wishes(self) -> dict[str, str]:
        """What was chosen, and is on offer."""
        chosen = {name: self.cleaned_data.get(name, "") for name in self.fields}
        return {name: value for name, value in chosen.items() if value}


@require_safe
def embed(request: HttpRequest) -> HttpResponse:
    """Both snippets for the options in the address, and how the form looks."""
    form = EmbedForm(request.GET)
    is_fine = form.is_valid()
    frame = reverse("subscriptions:embed_form")
    if form.wishes:
        frame = f"{frame}?{urlencode(form.wishes)}"
    context: dict[str, Any] = {
        **form.wishes,
        "site_url": settings.SITE_URL,
        "frame": frame,
        "sign_up": forms.sign_up(request)["sign_up"],
    }
    context |= {
        "pasted": render_to_string("web/embed/pasted.html", context).strip(),
        "framed": render_to_string("web/embed/framed.html", context).strip(),
        "form": form,
        "most_letters": forms.MOST_HEADLINE_LETTERS,
    }
    return render(request, "web/embed/page.html", context, status=200 if is_fine else 400)


@require_safe
@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"]})
def embed_form(request: HttpRequest) -> HttpResponse:
    """The form that any site may frame. Options that are no more are passed over: the site that
    frames it can't know.

    Its answer opens outside of the frame, where a browser takes the cookie by which the confirm
    link needs no button.
    """
    form = EmbedForm(request.GET)
    form.is_valid()
    wishes = form.wishes
    topic = selectors.catalogue().filter(slug=wishes.get("topic", "")).first()
    context = {"headline": wishes.get("headline", ""), "topic": topic}
    response = render(request, "web/embed/form.html", context)
    # A page that takes in only what allows it (COEP) may frame this as well.
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
