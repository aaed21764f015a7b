"""All addresses, room by room."""

from django.contrib import admin
from django.urls import include, path

from digest import receivers

urlpatterns = [
    path("", include("subscriptions.urls")),
    path("", include("digest.site.urls")),
    path("api/", include("digest.site.api.urls")),
    path("webhooks/", include(receivers.urlpatterns)),
    path("admin/", admin.site.urls),
]
