"""The proxy that people write: FastAPI takes the call, PyJWT verifies it, httpx passes it on."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import jwt
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from prometheus_client import Counter

ISSUER = os.environ["ISSUER"]
AUDIENCE = os.environ["AUDIENCE"]
START = int(os.environ["START"])
END = int(os.environ["END"])
KEY = jwt.PyJWKSet.from_json(Path(os.environ["JWKS_FILE"]).read_text()).keys[0].key

DECISIONS = Counter("decisions", "Decisions", ["decision", "org_type"])
NOT_PASSED_ON = {"host", "authorization", "connection", "content-length", "transfer-encoding", "keep-alive"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(
        base_url=os.environ["UPSTREAM"], timeout=75, limits=httpx.Limits()
    ) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


def org_type_of(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise HTTPException(401, "no token")
    try:
        claims = jwt.decode(token, KEY, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, str(error)) from None
    return str(claims["org_type"])


@app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE"])
async def proxy(path: str, request: Request) -> Response:
    org_type = org_type_of(request)
    if org_type == "police" and START <= time.time() < END:
        DECISIONS.labels("blocked", org_type).inc()
        raise HTTPException(403, "blocked by a moratorium")
    DECISIONS.labels("allowed", org_type).inc()
    answer = await app.state.client.request(
        request.method,
        f"/{path}",
        params=request.query_params,
        headers={k: v for k, v in request.headers.items() if k not in NOT_PASSED_ON},
        content=await request.body(),
    )
    headers = {k: v for k, v in answer.headers.items() if k not in NOT_PASSED_ON}
    return Response(answer.content, answer.status_code, headers)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        log_level="warning",
        access_log=False,
        backlog=4096,
        timeout_keep_alive=75,
    )
