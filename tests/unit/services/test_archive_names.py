import pytest

from core.services.archive_names import archive_names


def names(*labels, suffix="png"):
    return list(archive_names((label, suffix) for label in labels))


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Grandma 1931.jpg", "Grandma 1931.png"),
        ("Großmutter 🌻.jpg", "Großmutter 🌻.png"),
        ("/etc/passwd", "passwd.png"),
        ("..\\..\\evil.png", "evil.png"),
        ("..", "photo.png"),
        (".png", "png.png"),
        ("", "photo.png"),
        ("a\nb\x00c.png", "a_b_c.png"),
        ("<b>&?.png", "_b_&_.png"),
        ("gnp.\u202eexe.png", "gnp._exe.png"),
        ("CON.png", "_CON.png"),
        ("com1.tar.png", "_com1.tar.png"),
        ("a. .png", "a.png"),
        ("n" * 400 + ".png", "n" * 100 + ".png"),
    ],
)
def test_a_name_is_safe_wherever_it_is_unpacked(label, name):
    assert names(label) == [name]


def test_a_name_ends_as_its_bytes_are():
    assert names("a.heic", suffix="tif") == ["a.tif"]


def test_no_two_are_the_same_even_where_case_does_not_count():
    assert names("a.png", "A.jpg", "a.png", "a (2).png") == ["a.png", "A (2).png", "a (3).png", "a (2) (2).png"]
