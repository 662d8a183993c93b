"""A filter that may say "perhaps" too often, and never "surely not" of what it has seen."""

from __future__ import annotations

from actors.seen import Seen


def test_what_was_added_is_never_denied() -> None:
    """Through every growth of the filter, each text that was added is perhaps there."""
    texts = [f"intent-{number}" for number in range(200_000)]
    seen = Seen(texts)
    assert all(text in seen for text in texts)


def test_few_others_are_thought_to_be_there() -> None:
    """Of texts that were not added at most one in ten costs a look into the journal."""
    seen = Seen(f"intent-{number}" for number in range(200_000))
    wrong = sum(f"other-{number}" in seen for number in range(20_000))
    assert wrong < 2_000
