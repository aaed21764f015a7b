"""SPF, DKIM, DMARC and MX, asked of a real name server on this machine."""

import subprocess
from base64 import b64encode

import pytest

from digest.management.doctor import domain, keys, names
from digest.management.doctor.findings import Asked
from digest.records import Verdict
from tests.names import NameServer

OK, WARN, FAIL, SKIPPED = Verdict
SENDER = "papers.example.org"


@pytest.fixture
def dns(settings):
    settings.DEFAULT_FROM_EMAIL = f"Daily Papers <digest@{SENDER}>"
    settings.EMAIL_PROVIDERS = ["smtp"]
    settings.ANYMAIL = {}
    with NameServer() as server:
        yield server


def look(check, dns, *selectors):
    return [(found.state, found.what) for found in check(Asked(dns.address, selectors))]


def states(check, dns, *selectors):
    return [state for state, _ in look(check, dns, *selectors)]


# --- SPF -------------------------------------------------------------------------------------


def test_one_spf_record_is_good_and_its_lookups_are_counted(dns):
    dns.text(SENDER, "v=spf1 include:mail.example.net mx ip4:192.0.2.1 ~all", "other=1")
    dns.text("mail.example.net", "v=spf1 a:a.example.net include:b.example.net -all")
    dns.text("b.example.net", "v=spf1 ip4:192.0.2.2 -all")
    assert look(domain.check_spf, dns) == [(OK, f"{SENDER} has one record, of 4 look-ups")]


@pytest.mark.parametrize(
    ("records", "state", "words"),
    [
        ([], FAIL, "has no record"),
        (["v=spf1 -all", "v=spf1 mx -all"], FAIL, "2 records"),
        (["v=spf1 +all"], FAIL, "everybody"),
        (["v=spf1 mx"], WARN, "who may not send"),
        (["v=spf1 " + "a mx " * 6 + "-all"], FAIL, "more than 10 look-ups"),
        (["v=spf1 include:papers.example.org -all"], FAIL, "more than 10 look-ups"),
        (["v=spf1 exists:%{i}.x.example.org redirect=none.example.org"], OK, "2 look-ups"),
        (["v=spf10 mx -all"], FAIL, "has no record"),
    ],
)
def test_spf_that_does_not_work_is_told(dns, records, state, words):
    dns.text(SENDER, *records)
    dns.mail(SENDER, "mx.example.org")
    ((found, what),) = look(domain.check_spf, dns)
    assert (found, words in what) == (state, True), what


def test_spf_has_to_include_the_provider_at_its_own_domain(dns, settings):
    settings.EMAIL_PROVIDERS = ["mailgun"]
    settings.ANYMAIL = {"MAILGUN_SENDER_DOMAIN": f"mg.{SENDER}"}
    dns.text(SENDER, "v=spf1 mx -all")
    dns.text(f"mg.{SENDER}", "v=spf1 mx ~all")
    assert states(domain.check_spf, dns) == [OK, WARN]
    dns.text(f"mg.{SENDER}", "v=spf1 include:mailgun.org ~all")
    dns.text("mailgun.org", "v=spf1 include:eu.mailgun.org ~all")
    assert states(domain.check_spf, dns) == [OK, OK]


# --- DKIM ------------------------------------------------------------------------------------


def public_key(kind, *options):
    """A real one, made by OpenSSL, as it stands in the DNS."""
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", kind, *options, "-outform", "DER"],
        capture_output=True, check=True,
    )  # fmt: skip
    public = subprocess.run(
        ["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"],
        input=made.stdout, capture_output=True, check=True,
    )  # fmt: skip
    return b64encode(public.stdout).decode()


def rsa(bits):
    return public_key("RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")


@pytest.mark.parametrize(("bits", "state"), [(2048, OK), (1024, WARN), (768, FAIL)])
def test_key_is_judged_by_its_length(dns, bits, state):
    dns.text(f"mail._domainkey.{SENDER}", f"v=DKIM1; k=rsa; p={rsa(bits)}")
    ((found, what),) = look(domain.check_dkim, dns)
    assert (found, f"{bits} bits" in what) == (state, True), what


@pytest.mark.parametrize(
    ("record", "words"),
    [("v=DKIM1; p=", "revoked"), ("v=DKIM1; p=!!", "can't be read"), ("p=AAAA", "can't be read")],
)
def test_broken_key_is_a_failure(dns, record, words):
    dns.text(f"own._domainkey.{SENDER}", record)
    ((state, what),) = look(domain.check_dkim, dns, "own")
    assert (state, words in what) == (FAIL, True), what


def test_key_that_was_named_and_is_not_there_is_a_failure(dns):
    assert states(domain.check_dkim, dns, "own") == [FAIL]
    assert states(domain.check_dkim, dns) == [WARN]
    assert (f"own._domainkey.{SENDER}", "TXT") in dns.asked


def test_provider_that_makes_names_up_asks_for_the_name(dns, settings):
    settings.EMAIL_PROVIDERS = ["postmark"]
    assert states(domain.check_dkim, dns) == [SKIPPED]
    dns.text(f"2026pm._domainkey.{SENDER}", f"k=rsa; p={rsa(2048)}")
    assert states(domain.check_dkim, dns, "2026pm") == [OK]


def test_ed25519_needs_no_length():
    record = f"v=DKIM1; k=ed25519; p={public_key('ED25519')}"
    assert keys.look([record]) == keys.Key(
        words="an Ed25519 key; an RSA key has to stand beside it"
    )


def test_two_keys_under_one_name_are_told():
    assert "2 keys" in keys.look(["p=AAAA", "p=BBBB"]).problem


# --- DMARC -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "state", "words"),
    [
        (["v=DMARC1; p=reject; rua=mailto:x@example.org"], OK, "asks for reject"),
        (["v=DMARC1;p=none"], WARN, "p=none"),
        (["v=DMARC1; p=perhaps"], FAIL, "no policy"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], FAIL, "2 records"),
        (["something else"], FAIL, "has no policy"),
    ],
)
def test_policy_of_the_domain_is_told(dns, records, state, words):
    dns.text(f"_dmarc.{SENDER}", *records)
    ((found, what),) = look(domain.check_dmarc, dns)
    assert (found, words in what) == (state, True), what


def test_policy_of_the_organisation_counts_below_it_with_its_own_word(dns):
    dns.text("_dmarc.example.org", "v=DMARC1; p=none; sp=quarantine")
    assert look(domain.check_dmarc, dns) == [
        (OK, "_dmarc.example.org asks for quarantine, and what is sent is aligned")
    ]


def test_signing_for_a_stranger_is_not_aligned(dns, settings):
    settings.EMAIL_PROVIDERS = ["mailgun"]
    dns.text(f"_dmarc.{SENDER}", "v=DMARC1; p=reject")
    settings.ANYMAIL = {"MAILGUN_SENDER_DOMAIN": "elsewhere.net"}
    assert states(domain.check_dmarc, dns) == [FAIL]
    settings.ANYMAIL = {"MAILGUN_SENDER_DOMAIN": f"mg.{SENDER}"}
    assert states(domain.check_dmarc, dns) == [OK]
    dns.text(f"_dmarc.{SENDER}", "v=DMARC1; p=reject; adkim=s")
    assert states(domain.check_dmarc, dns) == [FAIL]


@pytest.mark.parametrize(
    ("above", "state"),
    [
        ("v=DMARC1; p=none", OK), ("v=DMARC1; p=none; psd=n", OK), ("v=DMARC1; p=none; psd=y", FAIL),
        ("something else", FAIL),
    ],
)  # fmt: skip
def test_domain_above_the_sender_is_aligned_where_it_is_the_organisations(
    dns, settings, above, state
):
    settings.EMAIL_PROVIDERS = ["mailgun"]
    settings.ANYMAIL = {"MAILGUN_SENDER_DOMAIN": "example.org"}
    dns.text(f"_dmarc.{SENDER}", "v=DMARC1; p=reject")
    dns.text("_dmarc.example.org", above)
    assert states(domain.check_dmarc, dns) == [state]


# --- MX --------------------------------------------------------------------------------------


def test_addresses_in_our_mails_take_mail(dns, settings):
    settings.REPLY_TO, settings.UNSUBSCRIBE_EMAIL = "us@example.org", "unsub@example.net"
    dns.mail(SENDER, "mx.example.org.")
    dns.mail("example.org", ".")
    dns.records["example.net", "A"] = ["192.0.2.1"]
    found = look(domain.check_mx, dns)
    assert [state for state, _ in found] == [OK, FAIL, WARN]
    assert "null MX" in found[1][1]


def test_sender_that_can_not_be_answered_is_a_failure(dns):
    ((state, what),) = look(domain.check_mx, dns)
    assert (state, "neither MX nor address" in what) == (FAIL, True)


# --- whatever is asked -----------------------------------------------------------------------

ALL = (domain.check_spf, domain.check_dkim, domain.check_dmarc, domain.check_mx)


@pytest.mark.parametrize("check", ALL)
def test_name_server_that_is_silent_is_a_warning_and_no_verdict(dns, settings, check, monkeypatch):
    monkeypatch.setattr(names, "_SECONDS", 0.2)
    dns.silent = {SENDER, f"default._domainkey.{SENDER}", f"_dmarc.{SENDER}"}
    ((state, what),) = look(check, dns)
    assert (state, "no answer about" in what) == (WARN, True)


@pytest.mark.parametrize("check", ALL)
@pytest.mark.parametrize("place", ["localhost.localdomain", "localhost", "papers.test"])
def test_local_sender_is_skipped_without_a_question(dns, settings, check, place):
    settings.DEFAULT_FROM_EMAIL = f"digest@{place}"
    assert states(check, dns) == [SKIPPED]
    assert not dns.asked
