"""The page, its files, its lock, and its session."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from bennu import ConnectInfo, Dashboard, DefinitionError, Endpoint, Socket
from bennu.reasons import Limit
from bennu.testing import running

from .apps import PASSWORD, browser, log_in, make

FILES = ("", "css/dashboard.css", "main.mjs", "vendor/uPlot.iife.min.js", "vendor/uPlot.min.css")


async def test_the_page_and_its_files_are_served() -> None:
    """No script is inline, nothing comes from another server, and a browser asks whether a file has changed."""
    async with browser(make()) as http:
        for name in FILES:
            found = await http.get(f"/dashboard/{name}")
            assert found.status_code == 200, name
            policy = found.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
            assert "unsafe" not in policy
            assert found.headers["x-content-type-options"] == "nosniff"
            again = await http.get(
                f"/dashboard/{name}", headers={"if-none-match": found.headers["etag"]}
            )
            assert (again.status_code, again.content) == (304, b"")
        head = await http.head("/dashboard/")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 500


async def test_the_path_without_a_slash_leads_to_the_page() -> None:
    async with browser(make()) as http:
        found = await http.get("/dashboard")
        assert (found.status_code, found.headers["location"]) == (307, "dashboard/")


async def test_other_requests_are_refused() -> None:
    async with browser(make()) as http:
        for name in ("nothing", "../options.py", "vendor", "vendor/README.md", "%2e%2e/site.py"):
            assert (await http.get(f"/dashboard/{name}")).status_code == 404
        assert (await http.post("/dashboard/")).status_code == 405
        assert (await http.get("/dashboard/pass")).status_code == 405
        assert (await http.get("/dashboards")).status_code == 404


async def test_an_endpoint_without_a_dashboard_has_none_of_it() -> None:
    endpoint = Endpoint(sockets={})
    async with browser(endpoint) as http:
        assert (await http.get("/dashboard/")).status_code == 404
    assert endpoint.sockets == {}


async def test_it_works_behind_a_mount() -> None:
    """The page refers to its files and its socket by relative paths."""
    endpoint = make()
    transport = httpx.ASGITransport(endpoint, root_path="/rt")
    async with running(endpoint):
        http = httpx.AsyncClient(transport=transport, base_url="http://localhost/rt")
        found = await http.get("/dashboard", follow_redirects=True)
        assert (found.status_code, found.url.path) == (200, "/rt/dashboard/")
        assert (await http.get("/dashboard/main.mjs")).status_code == 200
        assert (await http.get("/dashboard/socket/phoenix.mjs")).status_code == 200
        assert (await log_in(http)).status_code == 204
        assert (await http.post("/dashboard/pass")).status_code == 200
        await http.aclose()


async def test_a_socket_of_the_application_can_not_have_its_path() -> None:
    socket = Socket(connect=lambda: None, channels={})
    with pytest.raises(DefinitionError, match=r"the path of the dashboard's"):
        Endpoint(sockets={"/dashboard/socket": socket}, dashboard=Dashboard(), debug=True)


# The password.


async def test_the_right_password_opens_the_page() -> None:
    async with browser(make()) as http:
        refused = await http.post("/dashboard/pass")
        assert (refused.status_code, refused.text) == (401, "The dashboard needs the password")
        login = await log_in(http)
        assert login.status_code == 204
        cookie = login.headers["set-cookie"]
        assert "HttpOnly; SameSite=Strict" in cookie
        assert "Path" not in cookie  # the browser takes the path above the request
        assert "Secure" not in cookie
        found = await http.post("/dashboard/pass")
        assert found.json()["has_password"] is True
        await http.post("/dashboard/logout")
        assert (await http.post("/dashboard/pass")).status_code == 401


async def test_over_https_the_cookie_is_for_https_only() -> None:
    async with browser(make()) as http:
        http.base_url = "https://localhost"
        assert (await log_in(http)).headers["set-cookie"].endswith("; Secure")


async def test_a_wrong_password_is_refused_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "bennu"):
        async with browser(make()) as http:
            refused = await log_in(http, "correct horse batterie")
            assert (refused.status_code, refused.text) == (403, "The password is wrong")
            assert (await http.post("/dashboard/pass")).status_code == 401
    assert "Refused a request to /dashboard/login from 127.0.0.1" in caplog.text
    assert "batter" not in caplog.text


async def test_after_too_many_passwords_the_right_one_is_refused() -> None:
    endpoint = make(Dashboard(password=PASSWORD, logins="3/minute"))
    async with browser(endpoint) as http:
        for _ in range(3):
            assert (await log_in(http, "a wrong password")).status_code == 403
        refused = await log_in(http)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert endpoint.telemetry.exceeded[Limit.DASHBOARD_LOGINS] == 1
    async with browser(endpoint, ("192.0.2.7", 1)) as http:
        assert (await log_in(http)).status_code == 204


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"password": "' + b"x" * 3000 + b'"}', "application/json", 400),
        (b"password=x", "application/x-www-form-urlencoded", 415),
    ],
)
async def test_a_login_that_is_none_is_refused(body: bytes, kind: str, status: int) -> None:
    async with browser(make()) as http:
        refused = await http.post("/dashboard/login", content=body, headers={"content-type": kind})
        assert refused.status_code == status


async def test_a_session_holds_on_all_nodes_with_the_same_secret() -> None:
    async with browser(make()) as http, running(make()) as other:
        await log_in(http)
        cookies = dict(http.cookies)
        async with browser(other) as second:
            second.cookies.update(cookies)
            assert (await second.post("/dashboard/pass")).status_code == 200


# Without a password.


async def test_in_development_only_this_machine_gets_the_page() -> None:
    endpoint = make(Dashboard(), debug=True)
    async with browser(endpoint) as http:
        assert (await http.get("/dashboard/")).status_code == 200
        found = await http.post("/dashboard/pass")
        assert found.json()["has_password"] is False
        forwarded = await http.get("/dashboard/", headers={"x-forwarded-for": "192.0.2.7"})
        assert forwarded.status_code == 403
        assert (await log_in(http)).status_code == 403
    async with browser(endpoint, ("192.0.2.7", 1)) as http:
        assert (await http.get("/dashboard/")).status_code == 403
        assert (await http.post("/dashboard/pass")).status_code == 403
    async with browser(endpoint, host="evil.example") as http:
        assert (await http.get("/dashboard/")).status_code == 403


async def test_a_function_decides() -> None:
    """It can be async. What is no bool, and what raises, is a refusal."""

    async def allow(info: ConnectInfo) -> Any:
        user = info.cookies.get("user", "")
        if user == "raises":
            raise RuntimeError("no database")
        return user == "admin" if user != "odd" else 1

    endpoint = make(Dashboard(allow=allow))
    async with browser(endpoint, ("192.0.2.7", 1)) as http:
        for user, status in (("admin", 200), ("ann", 403), ("odd", 403), ("raises", 403)):
            headers = {"cookie": f"user={user}"}
            assert (await http.get("/dashboard/", headers=headers)).status_code == status
            assert (await http.post("/dashboard/pass", headers=headers)).status_code == status


async def test_only_the_hosts_of_the_endpoint_are_served() -> None:
    async with browser(make(hosts=["example.com"])) as http:
        assert (await http.get("/dashboard/")).status_code == 403
        http.base_url = "http://example.com"
        assert (await http.get("/dashboard/")).status_code == 200
