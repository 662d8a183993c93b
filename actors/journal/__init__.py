from .port import Batch, DuplicateExecution, Journal
from .sqlite import SqliteJournal
def open_journal(spec, durability="process", **kw):
    import tempfile
    if spec is None:
        spec = tempfile.mkdtemp() + "/j.db"
    return SqliteJournal(spec, durability, **kw)
