"""What is wrong with a request, as OpenAI's clients expect it."""

from __future__ import annotations

from typing import Any


class RequestError(Exception):
    """A request that is refused, with one sentence on what is wrong and what is allowed.

    Args:
        message: the sentence.
        param: the field of the request that is wrong, if it is one.
        status: of the HTTP answer.
        code: a word for programs, such as `model_not_found`.
    """

    def __init__(self, message: str, param: str | None = None, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.status, self.code = message, param, status, code

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        error = {"message": self.message, "type": "invalid_request_error", "param": self.param, "code": self.code}
        return {"error": error}


class FolderError(Exception):
    """An exported folder that cannot be served, in one sentence."""
