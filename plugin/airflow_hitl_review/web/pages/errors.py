"""Error handlers: page requests get an error page or the login; API requests get JSON as usual."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from airflow_hitl_review.core.stored import UnreadableXComError
from airflow_hitl_review.web.http.error_schemas import FieldProblem, InvalidRequest
from airflow_hitl_review.web.pages.responses import INVALID_TOKEN, error_page, is_page, to_login


def install(app: FastAPI) -> None:
    """Add the handlers to the app."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        if not is_page(request):
            return await http_exception_handler(request, error)
        if error.status_code == 401 or error.detail == INVALID_TOKEN:
            return to_login(request)
        return error_page(error.status_code, str(error.detail))

    @app.exception_handler(UnreadableXComError)
    def unreadable(request: Request, error: UnreadableXComError) -> Response:
        text = f"{error}. Try again."
        return error_page(503, text) if is_page(request) else JSONResponse({"detail": text}, status_code=503)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        if not is_page(request):
            # Without the input: it may be long, or not representable in JSON, such as NaN.
            told = [FieldProblem.model_validate(problem) for problem in error.errors()]
            return JSONResponse(InvalidRequest(detail=told).model_dump(), status_code=422)
        problems = [f"{problem['loc'][-1]}: {problem['msg']}." for problem in error.errors()]
        return error_page(422, "Something in the address is missing or wrong. " + " ".join(problems))
