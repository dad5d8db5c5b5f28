"""The tree as data, as text and as HTML."""

import sys

import pytest

import sightline as sl


@pytest.fixture
def grown(session):
    """A session of two branches, a tag, and an undone step."""
    star = session.generate("a red star")
    session.tag("drawn", at=star)
    session.edit(star, "make the star blue")
    session.branch("alt", at=star)
    session.checkout("alt")
    session.edit("img1", "make the background black")
    session.understand("img3", "what color is the star ?")
    session.checkout("main")
    session.generate("a ring")
    session.undo()
    return session


def test_the_text_is_a_tree(grown):
    """The current branch runs straight down, the other one is set in where it parts."""
    ids = [node.short for node in grown.tree().nodes]
    star, blue, black, asked = ids
    assert str(grown.tree()).splitlines() == [
        f"● {star}  generate    a red star  img1  (@drawn)",
        f"├─● {black}  edit        make the background black  img3",
        f"│ ● {asked}  understand  what color is the star ? → red  (alt)",
        f"● {blue}  edit        make the star blue  img2  (HEAD → main)",
    ]
    assert repr(grown.tree()) == str(grown.tree())
    grown.checkout("alt")
    assert str(grown.tree()).splitlines()[1] == f"├─● {blue}  edit        make the star blue  img2  (main)"


def test_the_outline_is_data(grown):
    """Nodes come after their parents and say what stands at them; every pointer is there."""
    found = grown.tree()
    place = {node.id: number for number, node in enumerate(found.nodes)}
    assert all(node.parent is None or place[node.parent] < place[node.id] for node in found.nodes)
    assert (found.branches, found.tags, found.head) == (grown.branches, grown.tags, grown.head)
    (star,) = found.children(None)
    assert (star.tags, star.branches, star.is_head) == (("drawn",), (), False)
    straight, side = found.children(star.id)
    assert (straight.branches, straight.is_head, straight.data_parents) == (("main",), True, (star.id,))
    assert side.pictures[0].numpy().shape == (64, 64, 3)
    assert side.pictures[0].origin == side.id


def test_everything_shows_what_is_on_no_branch(grown):
    """The undone step is a side line of its own."""
    shown, everything = grown.tree(), grown.tree(everything=True)
    (loose,) = set(everything.nodes) - set(shown.nodes)
    assert (loose.summary, loose.branches) == ("a ring", ())
    assert str(everything).splitlines()[-1].startswith(f"● {loose.short}")


def test_a_failed_step_says_so(fake):
    """A failure is on no branch; everything shows it."""
    from sightline_runtime.testing import FaultyRuntime

    with sl.Session(runtime=FaultyRuntime(fake, {"generate_features": 1})) as s:
        with pytest.raises(sl.EngineError):
            s.generate("a star")
        assert "○ no step yet  (HEAD → main)" in str(s.tree())
        assert "failed: a star" in str(s.tree(everything=True))


def test_a_notebook_shows_the_tree_with_its_pictures(grown):
    """Each line has small pictures, and texts are escaped."""
    grown.generate("a star <b>not bold</b>")
    page = grown.tree()._repr_html_()
    assert page.count("data:image/png") == 4
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "├─" in page


def test_an_empty_session_and_two_roots_have_outlines(session):
    """Branches without a step are listed; each root begins a tree of its own."""
    assert str(session.tree()) == "○ no step yet  (HEAD → main)"
    assert "no step yet" in session.tree()._repr_html_()
    session.branch("other")
    session.generate("a star")
    session.checkout("other")
    session.generate("a ring")
    lines = str(session.tree()).splitlines()
    assert [line[:1] for line in lines] == ["●", "", "●"]


def test_branches_may_part_from_branches_without_end(session):
    """A tree deeper than Python's stack is drawn."""
    star = session.generate("a star")
    outline = session.tree()
    root = outline.nodes[0]
    nodes, parent = [root], root.id
    for number in range(sys.getrecursionlimit()):
        straight, side = f"{number:064x}", f"f{number:063x}"
        nodes += [
            type(root)(straight, "crop", "", parent),
            type(root)(side, "crop", "", parent),
        ]
        parent = side
    deep = type(outline)(tuple(nodes), {}, {}, ("main", star.step.id))
    assert len(str(deep).splitlines()) == len(nodes)


def test_damage_does_not_hide_the_tree(tmp_path, fake):
    """A damaged row and a lost picture leave the other steps to be seen."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        a = s.generate("a star")
        b = s.edit(a, "make the star blue")
        s._store.database._write(
            lambda c: c.exec_driver_sql("UPDATE steps SET args = '{}' WHERE id = ?", (a.step.id,))
        )
        blob = b.image.ref.blob
        (tmp_path / "s" / "objects" / blob[:2] / blob[2:]).unlink()
        shown = s.tree()
        assert "does not match its digest" in shown.nodes[0].summary
        assert "make the star blue" in str(shown)
        assert "data:image" not in shown._repr_html_()
