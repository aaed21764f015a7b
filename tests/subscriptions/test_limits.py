"""EMAIL_STANDARDS section 6: limits per client, and whom X-Forwarded-For is believed from."""

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from redis.exceptions import ConnectionError as RedisConnectionError

from subscriptions import limits


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()


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


def test_client_without_an_address_is_nobody(rf):
    assert limits.client_address(rf.post("/", REMOTE_ADDR="")) == ""


def tries(rf, addresses):
    return [limits.client_has_had_enough(rf.post("/", REMOTE_ADDR=each)) for each in addresses]


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
    found = [limits.domain_has_had_enough(rf.post("/"), address) for address in domains]
    assert found == [False, True, False]


def test_the_site_has_a_limit(rf, monkeypatch):
    monkeypatch.setattr(limits, "SITE_RATE", "1/h")
    domains = ["a@one.example", "b@two.example"]
    found = [limits.domain_has_had_enough(rf.post("/"), address) for address in domains]
    assert found == [False, True]


def test_limits_are_off_while_the_cache_is_away(rf, monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise RedisConnectionError

    monkeypatch.setattr(LocMemCache, "add", refuse)
    assert not limits.client_has_had_enough(rf.post("/"))
    assert "rate limits off" in caplog.text
