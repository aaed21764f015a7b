"""The addresses of the readers' pages."""

from django.urls import path

from . import views

app_name = "subscriptions"

urlpatterns = [
    path("subscribe/", views.subscribe, name="subscribe"),
    path("embed/", views.embed, name="embed"),
    path("embed/form/", views.embed_form, name="embed_form"),
    path("preferences/<str:token>/topics/", views.first_topics, name="first_topics"),
    path("confirm/<str:token>/", views.confirm, name="confirm"),
    path("preferences/", views.preferences_link, name="preferences_link"),
    path("preferences/<str:token>/address/", views.ask_address, name="ask_address"),
    path("address/<str:token>/", views.address, name="address"),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("my-data/<str:token>/", views.my_data, name="my_data"),
    path("my-data/<str:token>/erase/", views.ask_erase, name="erase"),
]
