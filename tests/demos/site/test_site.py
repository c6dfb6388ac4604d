"""The news site: what is live for its readers when something is saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from bennu.testing import JoinRefused
from bennu.testing.blocking import BlockingTestClient, connect, running

from .conftest import Reader, browser_of  # sets Django up: import models after it

from bennu_demos.site.app import endpoint  # isort: skip
from bennu_demos.site.models import Article, Notification, Section  # isort: skip

Readers = Callable[..., Reader]


@pytest.fixture(autouse=True)
def site(database: None) -> Iterator[None]:
    with running(endpoint):
        yield


@pytest.fixture
def science() -> Any:
    return Section.objects.get(name="Science")


def connected(reader: Reader) -> AbstractContextManager[BlockingTestClient]:
    return connect(endpoint, "/socket", **reader.credentials)


def article(section: Any, title: str = "A heron", **values: object) -> Any:
    return Article.objects.create(section=section, title=title, summary="Far north.", **values)


FORM = {"title": "A heron", "summary": "Far north.", "body": "One.\n\nTwo.", "is_published": "on"}


def test_an_article_that_is_published_in_the_admin_is_on_all_pages(
    reader: Readers, science: Any
) -> None:
    """A stranger sees it as well. A draft is on no page, and a withdrawn article goes."""
    editor = reader("editor", is_staff=True, is_superuser=True)
    with connect(endpoint, "/socket") as stranger:
        news = stranger.join("news")
        first = news.assert_push("articles")
        assert len(first["articles"]) == 3

        draft = {name: value for name, value in FORM.items() if name != "is_published"}
        page = editor.browser.post("/admin/news/article/add/", {**draft, "section": science.pk})
        assert page.status_code == 302
        news.refute_push("article")

        made = Article.objects.get(title="A heron")
        address = f"/admin/news/article/{made.pk}/change/"
        editor.browser.post(address, {**FORM, "section": science.pk})
        shown = news.assert_push(
            "article", {"id": made.pk, "title": "A heron", "section": "Science"}
        )
        assert "body" not in shown

        editor.browser.post(address, {**draft, "section": science.pk})
        news.assert_push("removed", {"id": made.pk})


def test_the_page_of_an_article_shows_corrections(reader: Readers, science: Any) -> None:
    """A page that joins late gets the article as it is now, or is told that there is none."""
    made = article(science, body="One.", is_published=True)
    with connect(endpoint, "/socket") as stranger:
        story = stranger.join(f"article:{made.pk}")
        story.assert_push("article", {"title": "A heron", "body": "One."})
        made.title = "Two herons"
        made.save()
        story.assert_push("article", {"title": "Two herons"})
        made.delete()
        gone = story.assert_push("removed")
    with connect(endpoint, "/socket") as stranger:
        stranger.join(f"article:{gone['id']}").assert_push("removed", gone)


def test_a_title_from_right_to_left_leaves_the_title_of_the_page_as_it_is(
    reader: Readers, science: Any
) -> None:
    made = article(science, "אנפה אפורה 7", is_published=True)
    page = reader("ann").browser.get(f"/articles/{made.pk}/").content.decode()
    begin, title, end = "&#x2068;", made.title, "&#x2069;"  # FIRST STRONG ISOLATE and its end
    assert f"<title>{begin}{title}{end} · The Lakeside Post</title>" in page


def test_a_reader_is_notified_of_the_sections_that_she_follows(
    reader: Readers, science: Any
) -> None:
    ann, bo = reader("ann"), reader("bo")
    assert ann.browser.post(f"/sections/{science.pk}/follow/").status_code == 302
    with connected(ann) as hers, connected(bo) as his:
        bell, other = hers.join(ann.topic), his.join(bo.topic)
        bell.assert_push("notifications", {"notifications": [], "unread": 0})
        made = article(science, is_published=True)
        what = {"article": made.pk, "section": "Science", "title": "A heron", "is_read": False}
        bell.assert_push("notification", {**what, "unread": 1})
        made.title = "Two herons"
        made.save()
        bell.refute_push("notification")  # once for each article
        other.refute_push("notification")

        ann.browser.post(f"/sections/{science.pk}/follow/")  # and no more
        article(science, "Swifts", is_published=True)
        bell.refute_push("notification")


def test_what_is_read_is_read_on_all_tabs(reader: Readers, science: Any) -> None:
    """By the bell, by the page of the article, or all at once. A tab that comes later knows it."""
    ann, bo = reader("ann"), reader("bo")
    science.followers.add(ann.user, bo.user)
    made = [article(science, f"Heron {number}", is_published=True) for number in range(3)]
    notes = {note.article_id: note.pk for note in Notification.objects.filter(user=ann.user)}
    with connected(ann) as one, connected(ann) as two:
        first, second = one.join(ann.topic), two.join(ann.topic)
        told = second.assert_push("notifications", {"unread": 3})
        assert [note["title"] for note in told["notifications"]] == [
            "Heron 2",
            "Heron 1",
            "Heron 0",
        ]

        reply = first.push("read", {"ids": [notes[made[0].pk]]}).response()
        assert reply == {"unread": 2}
        second.assert_push("read", {"ids": [notes[made[0].pk]], "unread": 2})

        ann.browser.get(f"/articles/{made[1].pk}/")
        second.assert_push("read", {"ids": [notes[made[1].pk]], "unread": 1})

        first.push("read", {}).assert_reply({"unread": 0})
        second.assert_push("read", {"ids": None, "unread": 0})
    with connected(ann) as three:
        three.join(ann.topic).assert_push("notifications", {"unread": 0})
    assert Notification.objects.filter(user=bo.user, is_read=False).count() == 3


def test_nobody_reads_or_marks_the_notifications_of_another_user(
    reader: Readers, science: Any
) -> None:
    ann, bo = reader("ann"), reader("bo")
    science.followers.add(bo.user)
    article(science, is_published=True)
    theirs = Notification.objects.get(user=bo.user)
    with connected(ann) as hers, connect(endpoint, "/socket") as stranger:
        for client in (hers, stranger):
            with pytest.raises(JoinRefused, match="not yours"):
                client.join(bo.topic)
        hers.join(ann.topic).push("read", {"ids": [theirs.pk]}).assert_reply({"unread": 0})
    theirs.refresh_from_db()
    assert not theirs.is_read


def test_without_the_token_of_a_page_a_reader_is_a_stranger(reader: Readers) -> None:
    ann = reader("ann")
    headers = ann.credentials["headers"]
    with (
        connect(endpoint, "/socket", headers=headers) as client,
        pytest.raises(JoinRefused, match="not yours"),
    ):
        client.join(ann.topic)


@pytest.mark.parametrize("path", ["/logout/", "/admin/logout/"])
def test_a_logout_ends_the_connections_of_its_browser(reader: Readers, path: str) -> None:
    """Another device of the user stays. The cookie of the ended session is worth nothing."""
    ann = reader("ann", is_staff=True)
    phone = Reader(ann.user, browser_of(ann.user))
    before = ann.credentials
    with connected(ann) as laptop, connected(phone) as other:
        laptop.join(ann.topic)
        held = other.join(ann.topic)
        ann.browser.post(path)
        laptop.assert_closed(1001)
        held.push("read", {}).assert_reply()
    with (
        connect(endpoint, "/socket", **before) as client,
        pytest.raises(JoinRefused, match="not yours"),
    ):
        client.join(ann.topic)


def test_a_user_who_is_deactivated_is_disconnected(reader: Readers) -> None:
    """A login, which saves the user too, disconnects nobody."""
    ann = reader("ann")
    with connected(ann) as client:
        bell = client.join(ann.topic)
        browser_of(ann.user)
        bell.push("read", {}).assert_reply()
        ann.user.is_active = False
        ann.user.save()
        client.assert_closed(1001)


def test_a_new_reader_makes_an_account(database: None) -> None:
    """A weak password is refused, and the page says why."""
    browser = browser_of()
    weak = browser.post("/join/", {"username": "cy", "password1": "1234", "password2": "1234"})
    assert "too short" in weak.content.decode()
    answers = {"username": "cy", "password1": "correct horse", "password2": "correct horse"}
    assert browser.post("/join/", answers).status_code == 302
    assert "cy" in browser.get("/").content.decode()


def test_the_pages_escape_what_users_write(reader: Readers, science: Any) -> None:
    ann = reader("ann")
    made = article(science, "<script>x</script>", body="<b>y</b>", is_published=True)
    for path in ("/", f"/articles/{made.pk}/"):
        page = ann.browser.get(path).content.decode()
        assert "&lt;script&gt;x" in page
        assert "<script>x" not in page
        assert "<b>y" not in page


def test_a_draft_has_no_page(reader: Readers, science: Any) -> None:
    ann = reader("ann")
    made = article(science)
    assert ann.browser.get(f"/articles/{made.pk}/").status_code == 404
