"""Names that become identifiers of Python."""

from __future__ import annotations

import pytest

from bennu.generators.names import MAX_NAME, ClassName, NameRefused, ProjectName


@pytest.mark.parametrize(
    ("text", "package", "title"),
    [
        ("shop", "shop", "Shop"),
        ("my_shop", "my_shop", "My Shop"),
        ("my-shop2", "my_shop2", "My Shop2"),
        ("a" * MAX_NAME, "a" * MAX_NAME, "A" + "a" * (MAX_NAME - 1)),
    ],
)
def test_a_project_has_a_package_and_a_title(text: str, package: str, title: str) -> None:
    name = ProjectName.parse(text)
    assert (name.folder, name.package, name.title) == (text, package, title)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3x", "with a letter first, got '3x': write for example x"),
        (
            "Shop",
            "small letters, digits and _, with a letter first, got 'Shop': write for example shop",
        ),
        ("my shop", "write for example my_shop"),
        ("", "got '': write for example my_app"),
        ("çå", "write for example my_app"),
        ("shop_", "write for example shop"),
        ("a" * 41, "at most 40 characters, got 41"),
        ("class", "class is a word of Python, and can't be imported: write for example my_class"),
        ("match", "match is a word of Python"),
        ("json", "json is the name of a module that projects import, and yours would hide it"),
        ("bennu", "write for example my_bennu"),
        ("tests", "write for example my_tests"),
    ],
)
def test_a_project_that_could_not_be_imported_is_refused(text: str, said: str) -> None:
    with pytest.raises(NameRefused) as raised:
        ProjectName.parse(text)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "cls", "module"),
    [
        ("Room", "RoomChannel", "room"),
        ("RoomChannel", "RoomChannel", "room"),
        ("ChatRoom", "ChatRoomChannel", "chat_room"),
        ("HTTPLog", "HTTPLogChannel", "http_log"),
        ("Room2", "Room2Channel", "room2"),
    ],
)
def test_a_class_has_a_module(text: str, cls: str, module: str) -> None:
    name = ClassName.parse(text, "Channel")
    assert (name.cls, name.module) == (cls, module)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("room", "such as Room or ChatRoom, got 'room': write Room"),
        ("chat room", "write ChatRoom"),
        ("3D", "write D"),
        ("Channel", "got 'Channel'"),
        ("", "write Room"),
        ("Class", "a module can't have the name class: write for example ClassRoom"),
        ("A" * 41, "at most 40 characters, got 41"),
    ],
)
def test_a_class_that_python_does_not_know_as_one_is_refused(text: str, said: str) -> None:
    with pytest.raises(NameRefused) as raised:
        ClassName.parse(text, "Channel")
    assert said in str(raised.value)
