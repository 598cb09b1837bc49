"""The pages."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model, login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from examples.django_chat.models import Room
from examples.django_chat.sockets import io

__all__ = ["room", "sign_up"]


@login_required  # type: ignore[untyped-decorator]
def room(request: HttpRequest, slug: str = "lobby") -> HttpResponse:
    """A room."""
    return render(request, "room.html", {"room": get_object_or_404(Room, slug=slug), "rooms": Room.objects.all()})


def sign_up(request: HttpRequest) -> HttpResponse:
    """Open an account, and log in."""
    form = UserCreationForm(request.POST or None)
    if form.is_valid():
        login(request, form.save())
        return redirect("/")
    return render(request, "sign_up.html", {"form": form})


@receiver(user_logged_out)  # type: ignore[untyped-decorator]
def send_away(user: Any, **_: object) -> None:
    """End the connections of who logs out."""
    if isinstance(user, get_user_model()):
        io.of("/chat").to(f"user {user.pk}").disconnect()
