"""Every error of the engine, on one page, sorted by who can act on it.

Answers are not exceptions: our refusal of an order is the event ``OrderDenied``, the venue's is the
report ``Rejected``, its silence is the report ``OutcomeUnknown``. Exceptions are for callers'
mistakes, for a journal that cannot be trusted, and for bugs in us. Each says what was wrong, shows
the offending value, and says what remains true.
"""

from __future__ import annotations

__all__ = [
    "AskTimeout",
    "BlockingCallError",
    "DuplicateIntent",
    "EngineError",
    "InvalidOrder",
    "InvalidValue",
    "InvariantViolated",
    "JournalCorrupt",
    "JournalError",
    "JournalLocked",
    "JournalSchemaError",
    "JournalUnavailable",
    "MailboxFull",
    "RecordingError",
    "SlowReader",
    "StatechartError",
    "SystemStopped",
    "UnknownOrder",
    "UserError",
]


class EngineError(Exception):
    """Root of everything this project raises on purpose."""


# --- the caller can act ---------------------------------------------------------------------------


class UserError(EngineError):
    """The caller gave us something we cannot use.

    Nothing was changed; correct the input and call again.
    """


class InvalidValue(UserError, ValueError):
    """A value breaks a rule of its type (not finite, a float for money, an impossible
    instrument).
    """


class InvalidOrder(UserError, ValueError):
    """An order can not be submitted as asked (zero, negative, off-tick, unknown instrument...).

    Nothing was journalled.

    ``reason`` is the closed :class:`engine.messages.DenyReason` value, for programs.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class DuplicateIntent(UserError):
    """The same intent id was used before with other terms.

    The first order stands; nothing was sent for this one.
    """


class UnknownOrder(UserError, KeyError):
    """No order with this id, live or closed, is known to this system."""

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0]) if self.args else ""


class RecordingError(UserError):
    """A recording cannot be read: wrong format, torn, mixed or empty.

    Names file, line and the offending text.
    """


class SystemStopped(UserError):
    """The system is not running (not started yet, or stopped). Nothing was accepted."""


class BlockingCallError(UserError):
    """A blocking call was made on the dispatcher's own thread or loop, where it would wait for
    itself; use ``await``.
    """


class AskTimeout(UserError, TimeoutError):
    """No answer in time. It says nothing about the outcome: ask again, or look at the order."""


class SlowReader(UserError):
    """A subscription was closed because its reader fell behind; orders are not affected."""


class MailboxFull(UserError):
    """A bounded queue for commands is full.

    The command was not accepted; slow down and repeat it.
    """


# --- the journal ----------------------------------------------------------------------------------


class JournalError(EngineError):
    """Something is wrong with a journal."""


class JournalLocked(JournalError):
    """Another system has this journal open. Nothing was read or written."""


class JournalCorrupt(JournalError):
    """A record is torn or altered.

    Names the file, the sequence number and what does not agree; nothing was changed.
    """


class JournalSchemaError(JournalError):
    """The file is not a journal, or was written by a newer version of this project."""


class JournalUnavailable(JournalError):
    """A write failed (disk full, read-only, I/O error).

    The turn was discarded whole; entries halt until it works.
    """


# --- bugs in us -----------------------------------------------------------------------------------


class StatechartError(EngineError):
    """A transition table is not total or not well-formed.

    Raised at import, so it can never reach production.
    """


class InvariantViolated(EngineError):
    """A rule that always holds does not.

    Worded positively, with the values: ``Invariant: leaves_qty >= 0, was -1``.
    """
