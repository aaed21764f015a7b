"""EMAIL_STANDARDS section 6: limits per client, and whom X-Forwarded-For is believed from."""

import socket
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache

from subscriptions import limits, services
from tests.builders import make_subscriber


@pytest.fixture(autouse=True)
def _empty_counts():
    cache.clear()
    limits.OWN_COUNTS.clear()


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "", "192.0.2.1"),
        (0, "198.51.100.9", "192.0.2.1"),
        (1, "198.51.100.9", "198.51.100.9"),
        (1, "203.0.113.5, 198.51.100.9", "198.51.100.9"),
        (2, "10.9.9.9, 203.0.113.5, 198.51.100.9", "203.0.113.5"),
        (2, "198.51.100.9", "192.0.2.1"),
        (1, "no address", ""),
    ],
)
def test_only_our_proxies_are_believed(rf, settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    request = rf.post("/", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": forwarded})
    assert limits.client_address(request) == address


@pytest.mark.parametrize(
    ("seen", "address"),
    [("fe80::1%eth0", "fe80::1"), ("::ffff:203.0.113.7%2", "203.0.113.7")],
)
def test_zone_of_a_link_is_no_part_of_the_address(rf, seen, address):
    """PostgreSQL keeps no zone in an address, and refuses the row."""
    assert limits.client_address(rf.post("/", REMOTE_ADDR=seen)) == address


@pytest.mark.parametrize(
    ("seen", "address"),
    [
        ("203.0.113.7:5123", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("2001:db8::1:443", "2001:db8::1:443"),
        ("203.0.113.7:", ""),
        ("[2001:db8::1", ""),
    ],
)
def test_port_that_a_proxy_adds_is_no_part_of_the_address(rf, settings, seen, address):
    settings.TRUSTED_PROXIES = 1
    request = rf.post("/", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": seen})
    assert limits.client_address(request) == address


def test_client_without_an_address_is_nobody(rf):
    assert limits.client_address(rf.post("/", REMOTE_ADDR="")) == ""


def tries(rf, addresses):
    return [bool(limits.seconds_until_client(rf.post("/", REMOTE_ADDR=each))) for each in addresses]


def test_client_has_had_enough_after_its_rate(rf, settings):
    settings.SIGNUP_RATE_CLIENT = "2/h"
    assert tries(rf, ["192.0.2.1"] * 3 + ["192.0.2.2"]) == [False, False, True, False]


def test_ipv6_clients_of_one_network_are_counted_together(rf, settings):
    settings.SIGNUP_RATE_CLIENT = "1/h"
    one, same, other = "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"
    assert tries(rf, [one, same, other]) == [False, True, False]


def test_a_mail_domain_has_a_limit(rf, monkeypatch):
    monkeypatch.setattr(limits, "DOMAIN_RATE", "1/h")
    domains = ["a@one.example", "b@one.example", "c@two.example"]
    found = [limits.seconds_until_mail(rf.post("/"), address) > 0 for address in domains]
    assert found == [False, True, False]


def test_the_site_has_a_limit(rf, monkeypatch):
    monkeypatch.setattr(limits, "SITE_RATE", "1/h")
    domains = ["a@one.example", "b@two.example"]
    found = [limits.seconds_until_mail(rf.post("/"), address) > 0 for address in domains]
    assert found == [False, True]


@pytest.mark.parametrize(
    ("neighbour", "other"),
    [
        ("192.0.2.{}", "192.0.3.1"),
        ("2001:db8:1:{}::1", "2001:db8:2:1::1"),
        ("::ffff:192.0.2.{}", "::ffff:192.0.3.1"),
    ],
)
def test_a_neighbourhood_may_ask_as_often_as_four_clients(rf, settings, neighbour, other):
    settings.SIGNUP_RATE_CLIENT = "1/h"
    found = tries(rf, [neighbour.format(number) for number in range(1, 6)])
    assert (found, tries(rf, [other])) == ([False] * 4 + [True], [False])


def test_clients_behind_a_proxy_are_one_until_it_is_configured(rf, settings):
    settings.SIGNUP_RATE_CLIENT = "1/h"

    def ask(number):
        seen = {"X-Forwarded-For": f"198.51.{number}.9"}
        return limits.seconds_until_client(rf.post("/", REMOTE_ADDR="127.0.0.1", headers=seen)) > 0

    unknown = [ask(number) for number in range(2)]
    settings.TRUSTED_PROXIES = 1
    assert (unknown, [ask(2), ask(3)]) == ([False, True], [False, False])


def test_what_a_client_claims_before_our_proxies_gives_it_no_other_name(rf, settings):
    settings.SIGNUP_RATE_CLIENT, settings.TRUSTED_PROXIES = "2/h", 2

    def ask(claimed):
        seen = {"X-Forwarded-For": f"{claimed}, 203.0.113.5, 10.0.0.1"}
        return limits.seconds_until_client(rf.post("/", REMOTE_ADDR="10.0.0.2", headers=seen)) > 0

    assert [ask(f"192.0.2.{number}") for number in range(3)] == [False, False, True]


def test_forms_of_one_mailbox_are_counted_together(rf, monkeypatch):
    monkeypatch.setattr(limits, "MAILBOX_RATE", "2/h")
    forms = ["a.b@gmail.com", "AB+x@googlemail.com", "ab+y.z@gmail.com", "ab@example.org"]
    found = [limits.mailbox_has_had_enough(rf.post("/"), address) for address in forms]
    assert found == [False, False, True, False]


# --- While the cache is away ----------------------------------------------------------------


@pytest.fixture
def _cache_away(settings):
    """Redis where nothing listens."""
    location = {"LOCATION": "redis://127.0.0.1:9/0"}
    away = {"BACKEND": "django.core.cache.backends.redis.RedisCache", **location}
    settings.CACHES = {"default": away, "pages": settings.CACHES["pages"]}


def sign_up(client, number, **seen):
    return client.post("/subscribe/", {"email": f"reader{number}@example.org"}, **seen).status_code


@pytest.mark.django_db
@pytest.mark.usefixtures("_cache_away")
def test_a_client_is_counted_while_the_cache_is_away(client, settings, caplog):
    settings.SIGNUP_RATE_CLIENT = "2/h"
    found = [sign_up(client, number, REMOTE_ADDR="192.0.2.1") for number in range(3)]
    assert (found, sign_up(client, 9, REMOTE_ADDR="192.0.2.2")) == ([200, 200, 429], 200)
    assert "limits counted here" in caplog.text


@pytest.mark.django_db
def test_redis_that_hangs_is_as_one_that_is_away(client, settings, caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{silent.getsockname()[1]}/0",
            "OPTIONS": {"socket_timeout": 0.05, "socket_connect_timeout": 0.05},
        }
        settings.CACHES = settings.CACHES | {"default": hung}
        settings.SIGNUP_RATE_CLIENT = "2/h"
        assert [sign_up(client, number) for number in range(3)] == [200, 200, 429]
    assert "limits counted here" in caplog.text


@pytest.mark.django_db
@pytest.mark.usefixtures("_cache_away")
@pytest.mark.parametrize("is_erased", [True, False])
def test_count_tells_of_no_erased_address_while_the_cache_is_away(client, settings, is_erased):
    settings.SIGNUP_RATE_CLIENT = "3/h"
    if is_erased:
        services.erase(make_subscriber("reader9@example.org"))
    assert [sign_up(client, number) for number in (1, 2, 9, 3)] == [200, 200, 200, 429]


@pytest.mark.django_db
@pytest.mark.usefixtures("_cache_away")
def test_counting_needs_no_query_while_the_cache_is_away(rf, django_assert_num_queries):
    with django_assert_num_queries(0):
        limits.seconds_until_client(rf.post("/"))
        limits.mailbox_has_had_enough(rf.post("/"), "ada@example.org")
        limits.seconds_until_sign_up(rf.post("/"), "ada@example.org")


@pytest.mark.django_db
@pytest.mark.usefixtures("_cache_away")
def test_the_site_has_a_limit_while_the_cache_is_away(client, monkeypatch):
    monkeypatch.setattr(limits, "SITE_RATE", "3/h")
    found = [sign_up(client, number, REMOTE_ADDR=f"192.0.{number}.1") for number in range(5)]
    assert found == [200, 200, 200, 429, 429]


@pytest.mark.usefixtures("_cache_away")
def test_own_count_begins_anew_when_its_time_is_over(rf, settings):
    settings.SIGNUP_RATE_CLIENT = "1/h"
    with time_machine.travel(datetime(2026, 8, 20, 12, 20, tzinfo=UTC), tick=False) as clock:
        waits = [limits.seconds_until_client(rf.post("/")) for _ in range(2)]
        clock.shift(timedelta(seconds=waits[1]))
        assert (waits, limits.seconds_until_client(rf.post("/"))) == ([0, 2400], 0)


@pytest.mark.django_db
@pytest.mark.usefixtures("_cache_away")
def test_an_open_breaker_holds_while_the_cache_is_away(client, monkeypatch):
    monkeypatch.setattr("subscriptions.breaker.LEAST", 2)
    found = [sign_up(client, number, REMOTE_ADDR="192.0.2.1") for number in range(3)]
    assert (found, sign_up(client, 9, REMOTE_ADDR="198.51.100.1")) == ([200, 200, 429], 200)


@pytest.mark.usefixtures("_cache_away")
def test_search_and_api_have_their_limits_while_the_cache_is_away(rf, settings):
    settings.API_RATE = "1/h"
    for seconds_until in (limits.seconds_until_search, limits.seconds_until_api):
        first, second = [seconds_until(rf.get("/")) for _ in range(2)]
        assert (first, second > 0) == (0, True)
