"""Dependencies: what FastAPI's routes declare that they need, by `Depends`."""

from typing import Annotated, cast

from fastapi import Depends, Request

from winnable.learning.scoring.predictor import Predictor
from winnable.service.context import ServiceContext


async def service_context(request: Request) -> ServiceContext:
    """The context of the application that a request came to."""
    return cast(ServiceContext, request.app.state.context)


Context = Annotated[ServiceContext, Depends(service_context)]


async def active_predictor(context: Context) -> Predictor:
    """The predictor in charge, which may change from one request to the next."""
    return context.predictor()


ActivePredictor = Annotated[Predictor, Depends(active_predictor)]
