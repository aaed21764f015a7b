"""All addresses, room by room."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("subscriptions.urls")),
    path("", include("digest.site.urls")),
    path("webhooks/", include("anymail.urls")),
    path("admin/", admin.site.urls),
]
