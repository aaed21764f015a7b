"""The addresses of the second factor, at the desk and outside of its menu."""

from django.urls import path

from . import pages

app_name = "door"

urlpatterns = [
    path("", pages.code, name="code"),
    path("set-up/", pages.set_up, name="set_up"),
    path("own/", pages.own, name="own"),
]
