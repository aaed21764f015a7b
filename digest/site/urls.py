"""The addresses of what readers browse."""

from django.urls import path, re_path

from digest.models import ARXIV_ID

from . import (
    crawlers,
    digests,
    feeds,
    health,
    managing,
    metrics,
    opened,
    opinions,
    outbox,
    pages,
    papers,
    preferences,
    searching,
    status,
    topics,
)

app_name = "site"

FEED_FORM = r"(?P<form>atom|json)"

urlpatterns = [
    path("", pages.home, name="home"),
    re_path(r"^papers/(?P<day>\d{4}-\d{2}-\d{2})/$", pages.day, name="day"),
    re_path(r"^papers/(?P<week>\d{4}-W\d{2})/$", pages.week, name="week"),
    re_path(r"^papers/(?P<month>\d{4}-\d{2})/$", pages.month, name="month"),
    re_path(rf"^papers/(?P<arxiv_id>{ARXIV_ID})/$", papers.paper, name="paper"),
    re_path(rf"^papers/(?P<arxiv_id>{ARXIV_ID})v\d{{1,3}}/$", papers.version, name="version"),
    re_path(
        rf"^papers/(?P<arxiv_id>{ARXIV_ID})/cite\.(?P<form>bib|ris)$", papers.cite, name="cite"
    ),
    path("opened/", opened.opened, name="opened"),
    path("trending/", pages.trending, name="trending"),
    path("search/", searching.search_page, name="search"),
    path("topics/", topics.topics, name="topics"),
    path("topics/<slug:slug>/", topics.topic, name="topic"),
    re_path(rf"^feeds/daily\.{FEED_FORM}$", feeds.daily, name="daily_feed"),
    re_path(rf"^feeds/weekly\.{FEED_FORM}$", feeds.weekly, name="weekly_feed"),
    re_path(rf"^feeds/topics/(?P<slug>[-\w]+)\.{FEED_FORM}$", feeds.topic, name="topic_feed"),
    re_path(rf"^feeds/mine/(?P<token>[-\w]+)\.{FEED_FORM}$", feeds.mine, name="own_feed"),
    path("digests/send/<str:token>/", digests.send_now, name="send_now"),
    path("digests/manage/<str:token>/", managing.manage, name="manage"),
    path("digests/<str:token>/", digests.view, name="digest"),
    re_path(
        rf"^digests/(?P<token>[^/]+)/(?P<verdict>more|less|save)/(?P<arxiv_id>{ARXIV_ID})/$",
        opinions.opinion,
        name="opinion",
    ),
    path("preferences/count/", preferences.count, name="count"),
    path("preferences/authors/", preferences.authors, name="authors"),
    path("preferences/organizations/", preferences.organizations, name="organizations"),
    path("preferences/<str:token>/", preferences.page, name="preferences"),
    path("preferences/<str:token>/preview/", preferences.preview, name="preview"),
    path("preferences/<str:token>/mail/<str:key>/", preferences.mail, name="preview_mail"),
    path("preferences/<str:token>/digests/", preferences.history, name="history"),
    path("preferences/<str:token>/opinions/", preferences.opinions, name="opinions"),
    path("outbox/", outbox.index, name="outbox"),
    path("outbox/<str:key>/<str:view>/", outbox.mail, name="outbox_mail"),
    path("outbox/<str:key>/", outbox.body, name="outbox_body"),
    path("favicon.ico", crawlers.icon, name="icon"),
    path("robots.txt", crawlers.robots, name="robots"),
    path("sitemap.xml", crawlers.sitemap, name="sitemap"),
    path("sitemap-<slug:name>.xml", crawlers.sitemap_part, name="sitemap_part"),
    path("status/", status.status, name="status"),
    path("metrics", metrics.metrics, name="metrics"),
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
]
