"""S3 alone behind the gateway, in a process of its own: `python server.py DATA`, which prints its port."""

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from outcrop.jobs import Jobs
from outcrop.services.contract import Credential, Deps, Principal
from outcrop.services.s3 import service as s3
from outcrop.settings import Settings
from outcrop.storage import Blobs, Database
from outcrop.wire.gateway import Gateway

ACCOUNT = "000000000000"


async def main(data: Path) -> None:
    root = Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
    settings = Settings(data=data)
    databases: dict[str, Database] = {}

    def database(name: str, *, durable: bool = True) -> Database:
        return databases.setdefault(name, Database(data / f"{name}.sqlite", durable=durable))

    deps = Deps(
        settings=settings,
        data=data,
        database=database,
        blobs=lambda name: Blobs(data / name),
        jobs=Jobs(database("jobs")),
        models=None,
        context=lambda account, region, principal: gateway.context(account, region, principal),
        lookup={"test": Credential("test", "secret", ACCOUNT, root)}.get,
        endpoint=lambda: "http://127.0.0.1",
    )
    services = s3.services(deps)
    gateway = Gateway(services, settings=settings, lookup=deps.lookup)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(gateway, http="httptools", lifespan="off", log_config=None, server_header=False)
        print(listener.getsockname()[1], flush=True)
        await services[0].on_start()
        await uvicorn.Server(config).serve(sockets=[listener])
        await services[0].on_stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
