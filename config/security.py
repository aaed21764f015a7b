"""What browsers are told a page of ours may do."""

from collections.abc import Mapping
from typing import Any

# A page loads our stylesheet, script and pictures, asks and posts to us, and frames a mail of the
# outbox; a page that shows a mail sets a policy of its own. Django's admin has scripts and styles in
# its pages.
CONTENT_POLICY: Mapping[str, Any] = {
    "EXCLUDE_URL_PREFIXES": ["/admin/"],
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "script-src": ["'self'"],
        "connect-src": ["'self'"],
        "img-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    },
}
