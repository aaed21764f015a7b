"""The addresses of the site, and a page that breaks with something secret in its hands."""

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.urls import path

from config.urls import handler403, handler404
from config.urls import urlpatterns as own

SECRET = "secret-of-a-broken-page"


def broken(request):
    password = SECRET
    raise RuntimeError(f"it broke over {password}")


def refused(request):
    raise PermissionDenied(SECRET)


def odd(request):
    raise SuspiciousOperation(SECRET)


urlpatterns = [
    path("broken/", broken),
    path("refused/", refused),
    path("odd/", odd),
    path("admin/broken/", broken),
    *own,
]

__all__ = ["handler403", "handler404", "urlpatterns"]
