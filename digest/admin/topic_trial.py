"""The operator's side of topics: which of the newest papers a topic takes, while it is written, and
corrections by hand."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from digest import tasks
from digest.models import Paper, TopicCorrection
from digest.papers import topics
from digest.papers.topics import tagging, trial
from digest.papers.topics.rules import TopicRule
from subscriptions.admin import LinesField, TopicAdmin
from subscriptions.admin.finding import is_id
from subscriptions.models import Topic

admin.site.unregister(Topic)


@admin.register(Topic)
class TopicTrialAdmin(TopicAdmin):
    change_form_template = "admin/digest/topic.html"

    class Media:
        css = {"all": ("daily_papers/mail_desk.css",)}
        js = ("daily_papers/topic.js",)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("trial/", self.admin_site.admin_view(self.trial), name="topic_trial"),
            path(
                "<int:topic_id>/correct/",
                self.admin_site.admin_view(require_POST(self.correct)),
                name="topic_correct",
            ),
        ]
        return own + super().get_urls()

    def trial(self, request: HttpRequest) -> HttpResponse:
        """The part of the page that says what the topic, as it stands in the form, would take."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rule = TopicRule(
            request.POST.get("slug", "")[:60],
            _lines(request.POST.get("phrases", "")),
            _lines(request.POST.get("categories", "")),
        )
        topic = Topic.objects.filter(slug=rule.slug).first()
        context = _context(rule, topic, may_correct=self.has_change_permission(request, topic))
        return render(request, "admin/digest/topic_trial.html", context)

    def save_model(self, request: HttpRequest, obj: Topic, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(partial(_tag_newest, request))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        topic = Topic.objects.filter(pk=object_id).first() if is_id(object_id) else None
        may = self.has_change_permission(request, topic)
        tried = _context(tagging.rule_of(topic), topic, may_correct=may) if topic else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | tried)

    def correct(self, request: HttpRequest, topic_id: int) -> HttpResponse:
        """Keeps, or takes back, what the operator says of a paper and the topic."""
        topic = get_object_or_404(Topic, pk=topic_id)
        back = HttpResponseRedirect(
            reverse("admin:subscriptions_topic_change", args=[topic.pk]) + "#trial"
        )
        if not self.has_change_permission(request, topic):
            raise PermissionDenied
        arxiv_id = request.POST.get("paper", "").strip()
        paper = Paper.objects.filter(arxiv_id=arxiv_id).first()
        if paper is None:
            messages.error(request, f"There is no paper {arxiv_id[:40]!r} in the archive.")
            return back
        said = request.POST.get("is_about", "")
        if said in {"yes", "no"}:
            TopicCorrection.objects.update_or_create(
                paper=paper, topic=topic, defaults={"is_about": said == "yes"}
            )
        else:
            TopicCorrection.objects.filter(paper=paper, topic=topic).delete()
        topics.tag([paper.pk])
        self.log_change(request, topic, f"Corrected {paper.arxiv_id}: {said or 'taken back'}")
        messages.success(request, f"Noted for “{paper.title[:100]}”.")
        return back


def _lines(text: str) -> tuple[str, ...]:
    """Those that the form would take; what it would refuse is looked for once it is shorter."""
    field = LinesField(required=False)
    lines = [line for line in field.to_python(text) if len(line) <= field.longest]
    return tuple(lines[: field.most])


def _context(rule: TopicRule, topic: Topic | None, *, may_correct: bool) -> dict[str, Any]:
    return {"trial": trial.run(rule), "topic": topic, "may_correct": may_correct}


def _tag_newest(request: HttpRequest) -> None:
    try:
        tasks.tag_newest.delay()
    except OperationalError:
        messages.warning(
            request, "The broker is away: papers get the topic by manage.py tag_papers."
        )
        return
    messages.info(
        request,
        f"The newest {tasks.NEWEST_TAGGED:,} papers get their topics anew in the background; "
        "older ones by manage.py tag_papers.",
    )
