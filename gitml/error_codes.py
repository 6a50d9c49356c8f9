"""MLflow's words for kinds of failure, their numbers and HTTP statuses."""

from __future__ import annotations

INTERNAL_ERROR = "INTERNAL_ERROR"

# Word → (MLflow's number, HTTP status).
_CODES = {
    INTERNAL_ERROR: (1, 500),
    "TEMPORARILY_UNAVAILABLE": (2, 503),
    "BAD_REQUEST": (4, 400),
    "DEADLINE_EXCEEDED": (7, 504),
    "CANCELLED": (8, 499),
    "RESOURCE_EXHAUSTED": (9, 429),
    "ABORTED": (10, 409),
    "NOT_FOUND": (11, 404),
    "ALREADY_EXISTS": (12, 409),
    "UNAUTHENTICATED": (13, 401),
    "INVALID_PARAMETER_VALUE": (1000, 400),
    "ENDPOINT_NOT_FOUND": (1001, 404),
    "INVALID_STATE": (1003, 500),
    "PERMISSION_DENIED": (1004, 403),
    "CUSTOMER_UNAUTHORIZED": (1006, 401),
    "REQUEST_LIMIT_EXCEEDED": (1007, 429),
    "RESOURCE_CONFLICT": (1008, 409),
    "NOT_IMPLEMENTED": (1010, 501),
    "DATA_LOSS": (1011, 500),
    "RESOURCE_ALREADY_EXISTS": (3001, 400),
    "RESOURCE_DOES_NOT_EXIST": (3002, 404),
}
_WORDS = {number: word for word, (number, _) in _CODES.items()}


def error_word(code: str | int) -> str:
    """Give the word for a code, which is a word or MLflow's number; an unknown number is INTERNAL_ERROR.

    Example:
        >>> error_word(1000)
        'INVALID_PARAMETER_VALUE'
    """
    return code if isinstance(code, str) else _WORDS.get(code, INTERNAL_ERROR)


def http_status(word: str) -> int:
    """Give the HTTP status that goes with a word; 500 if it is unknown.

    Example:
        >>> http_status("RESOURCE_DOES_NOT_EXIST")
        404
    """
    return _CODES.get(word, _CODES[INTERNAL_ERROR])[1]
