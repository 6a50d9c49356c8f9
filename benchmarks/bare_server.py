"""What nobody who serves tables can be much faster than: uvicorn, JSON to table to `predict` to JSON, no checks.

python bare_server.py MODEL PORT
"""

from __future__ import annotations

import sys
from typing import Any

import orjson
import pandas as pd
import uvicorn

import gitml.sklearn

MODEL = gitml.sklearn.load_model(sys.argv[1])


async def app(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", scope["method"] == "POST"
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    answer = b"\n"
    if body:
        table = orjson.loads(body)["dataframe_split"]
        found = MODEL.predict(pd.DataFrame(table["data"], columns=table["columns"]))
        answer = orjson.dumps({"predictions": found.tolist()})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[2]),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_level="error",
    )
