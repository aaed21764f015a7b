"""All addresses, room by room."""

from django.contrib import admin
from django.urls import include, path

from digest import receivers
from subscriptions.door import pages as door

# Of the desk's pages; all others have Django's own.
handler403 = "digest.admin.refused.forbidden"
handler404 = "digest.admin.refused.not_found"

urlpatterns = [
    path("", include("subscriptions.urls")),
    path("", include("digest.site.urls")),
    path("api/", include("digest.site.api.urls")),
    path("webhooks/", include(receivers.urlpatterns)),
    path("admin/second-factor/", include("subscriptions.door.urls")),
    path("admin/password_change/", admin.site.admin_view(door.password), name="password_change"),
    path("admin/", admin.site.urls),
]
