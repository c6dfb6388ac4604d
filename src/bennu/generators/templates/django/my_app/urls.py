"""The paths of the pages."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import path

from . import views

urlpatterns = [
    path("", views.page),
    path("session", views.session),
    path("login", LoginView.as_view(template_name="login.html"), name="login"),
    path("signup", views.sign_up, name="signup"),
    path("admin/", admin.site.urls),
]
