"""The HTML report."""

import re

import sightline as sl


def test_the_report_shows_every_branch_and_escapes_text(tmp_path, fake):
    """Pictures are inside, nothing is fetched, and text cannot become markup."""
    with sl.Session(runtime=fake, seed=1) as s:
        a = s.generate("a red star <script>alert(1)</script>")
        s.understand(a, "is there a ring ?", choices=["yes", "no"])
        s.branch("other", at=a)
        s.checkout("other")
        s.edit(a, "make the star blue")
        page = s.report(tmp_path / "deep" / "run.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("data:image/png;base64,") >= 3
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "other" in page
    assert "continues from" in page


def test_an_empty_session_has_a_report(tmp_path, fake):
    """Nothing done yet is a page too."""
    with sl.Session(runtime=fake) as s:
        assert "main" in s.report(tmp_path / "r.html").read_text()


def test_the_report_shows_measurements_inputs_and_tags(tmp_path, fake):
    """What compare measured, what grid laid out, and the names of steps."""
    with sl.Session(runtime=fake, seed=1) as s:
        a, b = s.generate("a red star"), s.generate("a blue ring")
        s.tag("good", at=a)
        fraction = s.compare(a, b).values["changed_fraction"]
        s.grid([a, b])
        page = s.report(tmp_path / "r.html").read_text()
    assert f"<dt>changed_fraction</dt><dd>{fraction:.4g}</dd>" in page
    assert page.count("from img1") == 2
    assert '<div class="tag">good</div>' in page


def test_the_report_tells_what_was_found_again(tmp_path, session):
    """A whole step, and one whose features were kept; what was computed says nothing."""
    session.generate("a star", seed=3)
    assert "found again" not in session.report(tmp_path / "r.html").read_text()
    session.generate("a star", seed=3)
    session.generate("a star", seed=3, size=(32, 32))
    page = session.report(tmp_path / "r.html").read_text()
    assert (page.count("found again"), page.count("features kept")) == (1, 1)
