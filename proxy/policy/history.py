"""A moratorium's windows as they were enacted, extended, repealed and revived, and which of them count.

Two times meet here: when a window is in force, and when it became known. A window that another replaces
counts until the other is known, so that a day in the past can be judged by what was known on it.
"""

from proxy.policy.callers import Instant
from proxy.policy.model import Chapter, Window


class History:
    """The windows of one moratorium, in the order of the file."""

    def __init__(self) -> None:
        self._chapters: dict[str, Chapter] = {}
        self._replaces: dict[str, tuple[str, ...]] = {}

    def add(
        self, name: str, reason: str, window: Window, recorded: Instant, replaces: tuple[str, ...]
    ) -> str | None:
        """Take one in. Gives a sentence when it does not fit what came before."""
        if name in self._chapters:
            return f"the window {name!r} is there twice"
        unknown = [other for other in replaces if other not in self._chapters]
        if unknown:
            return f"replaces {unknown[0]!r}, which is no window further up"
        self._chapters[name] = Chapter(name, reason, window, recorded)
        self._replaces[name] = replaces
        return None

    def in_effect(self, known_at: Instant) -> tuple[Window, ...]:
        """The windows that count by what was known at that instant. One that has no length left is none."""
        known = [c for c in self._chapters.values() if c.recorded <= known_at]
        gone = {other for chapter in known for other in self._replaces[chapter.id]}
        return tuple(c.window for c in known if c.id not in gone and c.window.start < c.window.end)

    def chapters(self) -> tuple[Chapter, ...]:
        """All of it, each with what replaced it last."""
        by = {other: name for name, replaced in self._replaces.items() for other in replaced}
        return tuple(c._replace(replaced_by=by.get(c.id)) for c in self._chapters.values())
