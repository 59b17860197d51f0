"""Errors that a user can mend: each message gives the value, the limit and the remedy in one sentence."""


class WserError(Exception):
    """Base of every error whose message is meant for the user; the command lines print it without a traceback."""


class RecipeError(WserError, ValueError):
    """A recipe has a parameter outside its legal values."""


class CorpusError(WserError, ValueError):
    """A corpus is unknown, missing or inconsistent."""


class UnusableAudioError(WserError, ValueError):
    """The content of one recording cannot be used; the message is the reason written to the record of skipped inputs."""


class CacheError(WserError):
    """A cache is unreadable, foreign, torn or ambiguous."""


class CacheMissingError(CacheError, FileNotFoundError):
    """No sealed cache answers the request."""
