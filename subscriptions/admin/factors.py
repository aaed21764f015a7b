"""The second factor of others, for owners: whether they have one, and its reset where a phone is lost."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from subscriptions import roles
from subscriptions.door import entering, second_factor

# Their own pages would show the secrets to owners.
admin.site.unregister(TOTPDevice)
admin.site.unregister(StaticDevice)


class FactorAdmin:
    """What the page of an operator says of their second factor, and the page that resets it."""

    admin_site: admin.AdminSite

    @admin.display(description="Second factor")
    def second_factor(self, obj: User) -> str:
        """Since when they have one, with the way to its reset."""
        device = second_factor.device_of(obj)
        if device is None:
            return "none"
        return format_html(
            'set up on {} · <a class="text-link" href="{}">reset it</a>',
            date_format(device.created_at, "DATE_FORMAT"),
            reverse("admin:auth_user_second_factor", args=[obj.pk]),
        )

    def get_urls(self) -> list[URLPattern]:
        """With the page of the reset."""
        view = self.admin_site.admin_view(never_cache(self.reset_second_factor))
        return [
            path("<int:id>/second-factor/", view, name="auth_user_second_factor"),
            *super().get_urls(),  # type: ignore[misc]  # of the admin that this is mixed into
        ]

    def reset_second_factor(self, request: HttpRequest, id: int) -> HttpResponse:  # noqa: A002
        """Asks, and then takes somebody's second factor away; one's own goes by its code alone."""
        if not roles.is_owner(request.user):
            raise PermissionDenied
        user = get_object_or_404(User, pk=id)
        if user == request.user:
            return redirect("door:own")
        if request.method == "POST":
            self._reset(request, user)
            return redirect("admin:auth_user_change", user.pk)
        context: dict[str, Any] = self.admin_site.each_context(request) | {
            "title": "Reset the second factor",
            "person": user,
            "is_required": second_factor.is_required(),
        }
        return render(request, "admin/door/reset.html", context)

    def _reset(self, request: HttpRequest, user: User) -> None:
        assert isinstance(request.user, User)  # noqa: S101  an owner
        with transaction.atomic():
            had_one = second_factor.remove(user)
            if had_one:
                entering.note(request, user, "Reset the second factor", by=request.user)
        if had_one:
            messages.success(request, "The second factor is reset, and their sessions are over.")
        else:
            messages.warning(request, "They had none.")
