"""The addresses of the API."""

from django.urls import path

from .description import api

urlpatterns = [path("v1/", api.urls)]
