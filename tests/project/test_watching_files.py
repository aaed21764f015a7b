"""The dashboard and the alert rules ask for what /metrics has, and say what to do."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import promql_parser
import pytest
import yaml
from django.core.management import get_commands
from prometheus_client.parser import text_string_to_metric_families

from digest import measuring
from tests.measures import keep_some
from tests.services import missing

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "daily-papers.json").read_text())
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
# What Prometheus itself adds.
_OWN = {"up": {"job", "instance"}}
_TARGET = {"job", "instance"}


def dashboard_queries():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$__rate_interval", "5m")


QUERIES = [*dict.fromkeys([*dashboard_queries(), *(rule["expr"] for rule in ALERTS)])]


@pytest.fixture
def exposed(client, settings, db):
    """The labels of each name in /metrics."""
    keep_some(settings)
    client.get("/healthz")
    measuring.count_task("digest.tasks.forget", "success", 0.1)
    text = client.get("/metrics", HTTP_HOST="localhost").content.decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def selectors(expression):
    """Each name that is asked for in it, with the labels that it is chosen by."""
    text = promql_parser.parse(expression).prettify()
    for name, labels in re.findall(r"\b(up|daily_papers_\w+)(?:\{([^}]*)\})?", text):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))


def test_every_query_can_be_read():
    for query in QUERIES:
        assert list(selectors(query)), query
    assert len(QUERIES) > 40


def test_every_name_and_label_that_is_asked_for_is_exposed(exposed):
    known = exposed | _OWN
    for query in QUERIES:
        for name, labels in selectors(query):
            assert labels <= known[name] | _TARGET, query


def test_labels_that_are_grouped_by_or_printed_are_exposed(exposed):
    every = set().union(*exposed.values()) | _TARGET
    for query in QUERIES:
        grouped = re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", query)
        assert {name.strip() for each in grouped for name in each.split(",") if name} <= every
    printed = re.findall(
        r"\$labels\.(\w+)|\{\{(\w+)\}\}", RULES.read_text() + json.dumps(DASHBOARD)
    )
    assert {a or b for a, b in printed} <= every


def test_every_metric_of_the_installation_is_asked_for_somewhere(exposed):
    asked = {name for query in QUERIES for name, _ in selectors(query)}
    left = {name for name in exposed if not name.endswith(("_sum", "_count"))} - asked
    assert left == {"daily_papers_source_fetched_timestamp_seconds", "daily_papers_source_failed",
                    "daily_papers_provider_rate_limit", "daily_papers_readers_pending",
                    "daily_papers_edition_late"}  # fmt: skip


def test_every_rule_says_how_bad_it_is_and_what_to_do():
    names = [rule["alert"] for rule in ALERTS]
    assert len(names) == len(set(names)) >= 20
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule
        assert {"summary", "mend"} <= set(rule["annotations"]), rule


def test_every_rule_is_in_the_documentation():
    page = (ROOT / "docs" / "watching.md").read_text()
    assert [rule["alert"] for rule in ALERTS if f"`{rule['alert']}`" not in page] == []


CODE = "".join(path.read_text() for path in (ROOT / "digest").rglob("*.py"))


NOTICES = (ROOT / "digest" / "delivery" / "notices.py").read_text()


def kinds_of_alarms():
    """What `tell`, `stand` and `begin` are called with, be it a word or the name of one."""
    for module in (ROOT / "digest").rglob("*.py"):
        text = module.read_text()
        for word in re.findall(r"notices\.(?:stand|tell|begin)\(\s*(?:\w+\.)?(\"\w+\"|\w+)", text):
            # A constant is its own module's, or that of `notices.py`.
            named = re.search(rf"^{word} = (\"\w+\")", f"{text}\n{NOTICES}", re.MULTILINE)
            yield (named[1] if named else word).strip('"')
    yield "database_away"


def rows_of_alarms():
    page = (ROOT / "docs" / "watching.md").read_text().split("## Alarms")[1].split("\n## ")[0]
    for first, what_to_do in re.findall(r"^\| (`.*?) \| .* \| (.*) \|$", page, re.MULTILINE):
        yield from ((kind, what_to_do) for kind in re.findall(r"`(\w+)`", first))


def test_every_alarm_has_its_row_in_the_documentation():
    kinds = {*kinds_of_alarms()}
    assert kinds == {kind for kind, _ in rows_of_alarms()}
    assert len(kinds) >= 20


def test_every_alarm_of_the_documentation_leads_on():
    """To a section that has more, which the build of the site looks for, or to a command."""
    for kind, what_to_do in rows_of_alarms():
        assert re.search(r"\]\([a-z-]+\.md#|`manage\.py [a-z_]+", what_to_do), kind


def test_commands_that_an_alarm_or_a_check_names_exist():
    named = re.findall(r"manage\.py ([a-z_]+)|notices\.command\(\s*\"(\w+)\"", CODE)
    assert {one or other for one, other in named} - {*get_commands()} == set()
    assert len(named) > 10


@pytest.mark.parametrize(
    "link", sorted({*re.findall(r'link="(/admin/[^"]*)"', CODE)}), ids=lambda link: link[14:]
)
def test_page_that_an_alarm_leads_to_is_there(admin_client, link):
    assert admin_client.get(link).status_code == 200


def test_panels_do_not_lie_over_one_another_and_ask_the_chosen_source():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "${source}"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def promtool(*arguments):
    if not (found := shutil.which("promtool")):
        missing("no promtool on PATH (on Debian: the package prometheus)")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", str(RULES)),
        ("check", "config", "--syntax-only", str(RULES.with_name("prometheus.yml"))),
    ],
)
def test_prometheus_itself_takes_the_files(arguments):
    status, said = promtool(*arguments)
    assert status == 0, said


def test_prometheus_itself_minds_nothing_in_the_metrics(client, settings, db):
    keep_some(settings)
    text = client.get("/metrics", HTTP_HOST="localhost").content
    if not (found := shutil.which("promtool")):
        missing("no promtool on PATH (on Debian: the package prometheus)")
    done = subprocess.run([found, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


# What makes each alert fire, as promtool writes series, and what does not.
FIRING = {
    "DailyPapersDown": ('up{job="daily-papers"}', "0x400", "1x400"),
    "DailyPapersPartAway": ('daily_papers_up{part="broker"}', "0x400", "1x400"),
    "DailyPapersBeatSilent": (
        'daily_papers_last_seen_timestamp_seconds{part="beat"}', "0x400", "0+60x400",
    ),
    "DailyPapersWorkerSilent": (
        'daily_papers_last_seen_timestamp_seconds{part="worker"}', "0x400", "0+60x400",
    ),
    # Redis was emptied, and nobody gives a sign since.
    "DailyPapersBeatSilent from the start": ('daily_papers_up{part="cache"}', "1x400", "0x400"),
    "DailyPapersWorkerSilent from the start": ('daily_papers_up{part="cache"}', "1x400", "0x400"),
    "DailyPapersAlarm": ('daily_papers_notices_open{kind="late"}', "1x400", "0x400"),
    "DailyPapersDigestsLate": ("daily_papers_oldest_waiting_age_seconds", "7201x400", "7200x400"),
    "DailyPapersSendHeld": ('daily_papers_edition_held{edition="a"}', "1x400", "0x400"),
    "DailyPapersUncertain": ('daily_papers_batches{state="uncertain"}', "1x400", "0x400"),
    "DailyPapersProviderRests": (
        'daily_papers_provider_circuit{provider="smtp",state="open"}', "1x400", "0x400",
    ),
    "DailyPapersSourceStale": (
        'daily_papers_source_clean_timestamp_seconds{source="arxiv"}', "-30000x400", "0+60x400",
    ),
    "DailyPapersEventsPileUp": ("daily_papers_events_unapplied", "20001x400", "20000x400"),
    "DailyPapersQueueGrows": ('daily_papers_queue_messages{queue="mail"}', "1001x400", "1000x400"),
    "DailyPapersTasksFail": (
        'daily_papers_tasks_total{task="a",state="failure"}', "0+1x400", "0x400",
    ),
    "DailyPapersDiskFull": ("daily_papers_disk_free_ratio", "0.09x400", "0.11x400"),
}  # fmt: skip
TOGETHER = {
    "DailyPapersLedgerUnbalanced": (
        ('daily_papers_edition_due{edition="a",frequency="daily"}', "12x400", "11x400"),
        ('daily_papers_deliveries{edition="a",frequency="daily",state="sent"}', "10x400", "10x400"),
        ('daily_papers_deliveries{edition="a",frequency="daily",state="failed"}', "1x400", "1x400"),
    ),
    "DailyPapersComplaints": (
        ('daily_papers_events_week{type="complained"}', "3x400", "2x400"),
        ("daily_papers_provider_messages_week", "2000x400", "1000x400"),
    ),
    "DailyPapersComplaintsHigh": (
        ('daily_papers_events_week{type="complained"}', "31x400", "3x400"),
        ("daily_papers_provider_messages_week", "10000x400", "0x400"),
    ),
    "DailyPapersBounces": (
        ('daily_papers_events_week{type="bounced"}', "60x400", "60x400"),
        ("daily_papers_provider_messages_week", "1000x400", "99x400"),
    ),
    "DailyPapersProviderNearCap": (
        ('daily_papers_provider_messages_today{provider="smtp"}', "91x400", "90x400"),
        ('daily_papers_provider_cap_today{provider="smtp"}', "100x400", "100x400"),
    ),
    "DailyPapersSourceBadEntries": (
        ('daily_papers_source_bad_entries{source="arxiv"}', "21x400", "20x400"),
        ('daily_papers_source_papers{source="arxiv"}', "100x400", "100x400"),
    ),
    "DailyPapersErrors": (
        ('daily_papers_http_requests_total{status="500"}', "0+3x400", "0+2x400"),
        ('daily_papers_http_requests_total{status="200"}', "0+97x400", "0+98x400"),
    ),
    "DailyPapersSlow": (
        ('daily_papers_http_request_duration_seconds_bucket{le="1.0"}', "0+94x400", "0+95x400"),
        ('daily_papers_http_request_duration_seconds_bucket{le="2.5"}', "0+100x400", "0+95x400"),
        ('daily_papers_http_request_duration_seconds_bucket{le="+Inf"}', "0+100x400", "0+95x400"),
    ),
    "DailyPapersNoEdition": (
        (
            'daily_papers_edition_closed_timestamp_seconds{frequency="daily"}',
            "-300000x400",
            "0x400",
        ),
    ),
}
CASES = {name: (series,) for name, series in FIRING.items()} | TOGETHER


def test_every_rule_is_tried():
    # It fires where there is nothing at all.
    assert {rule["alert"] for rule in ALERTS} - {"DailyPapersMetricsMissing"} == {
        case.split()[0] for case in CASES
    }


@pytest.mark.parametrize("case", CASES)
def test_rule_fires_when_it_should_and_not_before(case, tmp_path):
    name = case.split()[0]
    expression = next(rule["expr"] for rule in ALERTS if rule["alert"] == name)
    waits = next(rule["for"] for rule in ALERTS if rule["alert"] == name)
    cases = [
        {
            "interval": "1m",
            "input_series": [{"series": s, "values": values[number]} for s, *values in CASES[case]],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
                    "eval_time": "200m",
                    "exp_samples": [{"labels": "{}", "value": 1}] if number == 0 else [],
                }
            ],
        }
        for number in (0, 1)
    ]
    file = tmp_path / "case.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": cases}))
    status, said = promtool("test", "rules", str(file))
    assert status == 0, (expression, waits, said)
