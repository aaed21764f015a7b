"""Why an operator stops something: one line that is kept in the log, shown, and told to whoever watches."""

from digest.errors import UnfitReasonError

LONGEST = 200


def cleaned(text: str) -> str:
    """The reason in one line. Raises UnfitReasonError where it is empty, too long, or holds an
    address or what is no letter, digit or sign."""
    because = " ".join(text.split())
    if not because:
        raise UnfitReasonError("Say why, in a few words.")
    if len(because) > LONGEST:
        raise UnfitReasonError(f"Say why, in {LONGEST} characters at most.")
    if not because.isprintable():
        raise UnfitReasonError("Leave control characters out: this is kept in the log.")
    if "@" in because:
        raise UnfitReasonError("Leave addresses out: this is kept in the log.")
    return because
