"""The addresses of what readers browse."""

from django.urls import path, re_path

from . import digests, feeds, health, opinions, outbox, pages, papers

app_name = "site"

ARXIV_ID = r"(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})"
FEED_FORM = r"(?P<form>atom|json)"

urlpatterns = [
    path("", pages.home, name="home"),
    re_path(r"^papers/(?P<day>\d{4}-\d{2}-\d{2})/$", pages.day, name="day"),
    re_path(r"^papers/(?P<week>\d{4}-W\d{2})/$", pages.week, name="week"),
    re_path(r"^papers/(?P<month>\d{4}-\d{2})/$", pages.month, name="month"),
    re_path(rf"^papers/(?P<arxiv_id>{ARXIV_ID})/$", papers.paper, name="paper"),
    path("trending/", pages.trending, name="trending"),
    path("topics/", papers.topics, name="topics"),
    path("topics/<slug:slug>/", papers.topic, name="topic"),
    re_path(rf"^feeds/daily\.{FEED_FORM}$", feeds.daily, name="daily_feed"),
    re_path(rf"^feeds/weekly\.{FEED_FORM}$", feeds.weekly, name="weekly_feed"),
    re_path(rf"^feeds/topics/(?P<slug>[-\w]+)\.{FEED_FORM}$", feeds.topic, name="topic_feed"),
    re_path(rf"^feeds/mine/(?P<token>[-\w]+)\.{FEED_FORM}$", feeds.mine, name="own_feed"),
    path("digests/send/<str:token>/", digests.send_now, name="send_now"),
    path("digests/<str:token>/", digests.view, name="digest"),
    re_path(
        rf"^digests/(?P<token>[^/]+)/(?P<verdict>more|less)/(?P<arxiv_id>{ARXIV_ID})/$",
        opinions.opinion,
        name="opinion",
    ),
    path("outbox/", outbox.index, name="outbox"),
    path("outbox/<str:key>/<str:view>/", outbox.mail, name="outbox_mail"),
    path("outbox/<str:key>/", outbox.body, name="outbox_body"),
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
]
