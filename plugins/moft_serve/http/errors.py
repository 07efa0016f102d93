"""Errors over HTTP, in the shape that clients of OpenAI's API read; never a traceback."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from moft import BusyError, MoftError, RunError
from moft.api import printable, redacted

LONGEST = 500
"""Characters of a message; only what a client sent makes a longer one."""

_MEMBERS = (("str",), ("int",), ("float",), ("bool",))
"""Ends of places that are no fields, but the type that was tried of several."""


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str
    """One sentence."""
    type: str
    """`invalid_request_error`, `rate_limit_error` or `server_error`."""
    param: str | None
    """The field of the request that it is about."""
    code: str | None
    """A word for programs."""


class ErrorAnswer(BaseModel):
    """The body of every answer with a status of 400 or more."""

    error: ErrorBody


class ApiError(HTTPException):
    """A request that is refused, or that failed.

    Args:
        status: of HTTP.
        message: one sentence for the client.
        param: the field of the request that it is about.
        code: a word for programs.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.param, self.code = param, code


def error_answer(error: HTTPException) -> JSONResponse:
    """The answer to an error."""
    text = printable(redacted(str(error.detail)))
    shown = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    status = error.status_code
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    body = {"message": shown, "type": kind, "param": getattr(error, "param", None), "code": getattr(error, "code", None)}
    return JSONResponse({"error": body}, status, dict(error.headers or {}))


def refused(error: MoftError, param: str | None = None) -> ApiError:
    """A user's mistake that the library found."""
    return ApiError(400, str(error), param=param, code="invalid_value")


def unavailable(error: BusyError, *, is_full: bool = False) -> ApiError:
    """What can succeed later: 429 where too much is asked for now, else 503."""
    status, code = (429, "too_many_requests") if is_full else (503, "unavailable")
    return ApiError(status, str(error), code=code, headers={"Retry-After": str(math.ceil(error.seconds))})


def invalid(error: ValidationError | RequestValidationError) -> ApiError:
    """What pydantic found, as one sentence about the first mistake."""
    first: Mapping[str, Any] = error.errors()[0]
    if tuple(first["loc"]) in ((), ("body",)) and first["type"] in ("missing", "model_attributes_type"):
        return ApiError(400, "the body must be a JSON object, with the content type application/json.", code="invalid_json")
    param = _place(first["loc"][:-1] if first["loc"][-1:] in _MEMBERS else first["loc"])
    what = {"extra_forbidden": "is not a field that is known here", "missing": "is missing"}.get(first["type"])
    if what is None:
        text = str(first["msg"]).removeprefix("Value error, ")
        what = text[:1].lower() + text[1:]
    return ApiError(400, f"{param or 'the request'}: {what.rstrip('.')}.", param=param or None, code="invalid_value")


def internal_error(request_id: str) -> ApiError:
    """A bug, which only the log tells about."""
    return ApiError(500, f"internal error; the log of the server has it under request {request_id}.", code="internal_error")


def add_error_answers(app: FastAPI) -> None:
    """Has the application answer every error in this shape."""

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise error
        return error_answer(error if isinstance(error, ApiError) else _of_address(request, error))

    async def on_invalid(_: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RequestValidationError):
            raise error
        return error_answer(invalid(error))

    async def on_mistake(_: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, MoftError) or isinstance(error, RunError):  # the latter is about files of the server
            raise error
        return error_answer(refused(error))

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(MoftError, on_mistake)


def _of_address(request: Request, error: HTTPException) -> HTTPException:
    """The same error with a sentence, where no route has the address or the method of a request."""
    path, headers = request.url.path, error.headers
    if error.status_code == 404:
        return ApiError(404, f"{path}: there is no such address; GET /openapi.json lists all.", code="not_found", headers=headers)
    if error.status_code == 405:
        text = f"{path}: takes {(headers or {}).get('Allow', 'other methods')}, not {request.method}."
        return ApiError(405, text, code="method_not_allowed", headers=headers)
    return error


def _place(parts: tuple[int | str, ...]) -> str:
    """Such as `queries[2].weights`, from the parts of a place."""
    text = ""
    for part in parts:
        if part in ("body", "query", "path", "header") and not text:
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
