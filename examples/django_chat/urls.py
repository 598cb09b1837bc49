"""Where the pages are."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from examples.django_chat.views import room, sign_up

urlpatterns = [
    path("", room, name="lobby"),
    path("rooms/<slug:slug>/", room, name="room"),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/sign-up/", sign_up, name="sign_up"),
]
