"""The paths of the site."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from django.views.generic import RedirectView

from . import views

urlpatterns = [
    path("", views.front, name="front"),
    path("articles/<int:pk>/", views.article, name="article"),
    path("sections/<int:pk>/follow/", views.follow, name="follow"),
    path("join/", views.sign_up, name="sign_up"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path(
        "favicon.ico", RedirectView.as_view(url="/design/bennu.svg")
    ),  # the admin's pages name no icon
]
