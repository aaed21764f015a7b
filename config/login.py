"""The form by which operators come into the desk: what is wrong is said in one line. It stands here, as
the site of the admin loads it before any admin of ours."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.forms import ValidationError

if TYPE_CHECKING:
    from django.contrib.auth.forms import AuthenticationForm
else:
    from unfold.forms import AuthenticationForm

_NO_ROLE = (
    "You have no role at this desk, so there is nothing for you to see. An owner gives roles, under "
    "Staff, Operators."
)


class LoginForm(AuthenticationForm):
    """Name and password. That somebody has no role is told only to who knows their password."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "Name and password do not fit together. Capital letters count in both.",
    }

    def confirm_login_allowed(self, user: User) -> None:
        if not user.is_staff:
            raise ValidationError(_NO_ROLE, code="no_role")
        super().confirm_login_allowed(user)
