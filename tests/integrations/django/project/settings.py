"""The site's settings; the environment says which database there is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SECRET_KEY = "not a secret"
DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.integrations.django.project.views"
WSGI_APPLICATION = os.environ.get("DJANGO_WSGI", "tests.integrations.django.project.wsgi.application")
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [Path(__file__).parent / "static"]
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "German")]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "geventsio.integrations.django",
    "tests.integrations.django.project",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tests.integrations.django.project.middleware.refuse_robots",
]

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DJANGO_DATABASE"],
        "CONN_MAX_AGE": int(os.environ.get("DJANGO_MAX_AGE", "0")),
    }
}
if "DJANGO_POSTGRESQL" in os.environ:
    DATABASES["default"] |= {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["DJANGO_POSTGRESQL"],
        "USER": "tester",
        "OPTIONS": {"application_name": "site"},
    }
