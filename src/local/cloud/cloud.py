"""DynamoDB and Secrets Manager by moto, with one table and one secret that outlive the process."""

from pathlib import Path
from threading import Thread
from typing import Final

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from core.adapters.dynamodb.table import creation
from local.cloud import keeping
from local.cloud.keeping import Snapshot
from local.cloud.lean import items_of
from local.cloud.logged import LoggedMoto

REGION: Final = "us-east-1"
SECRET: Final = "memtrace/master-key"
_FILE: Final = "cloud.json"
_LOG: Final = "cloud.log"
_DYNAMODB: Final = "DynamoDB_20120810"
_BATCH: Final = 25


class _Quiet(MotoRequestHandler):
    disable_nagle_algorithm = (
        True  # an answer goes out in two parts: the second would wait 40 ms for the first
    )

    def log_request(self, *_: object) -> None:
        """Nobody reads a line a request."""


class Cloud:
    """Both services on one port, one account, one region; to be started once."""

    def __init__(self, *, host: str, port: int, folder: Path, table: str, secret: str) -> None:
        """`secret` is the secret's first value. Raises OSError or ValueError for what cannot be read."""
        self._file = folder / _FILE
        self._table = table
        self._kept = keeping.read(self._file)
        self._kept.secret = self._kept.secret or secret
        self._app = LoggedMoto(folder / _LOG)
        self._server: BaseWSGIServer = make_server(
            host, port, self._app, threaded=True, request_handler=_Quiet
        )
        self._thread = Thread(target=self._server.serve_forever, name="cloud", daemon=True)
        self.url: Final = f"http://{host}:{self._server.port}"
        self.secret_arn = ""

    def start(self) -> None:
        """Both answer, and hold what they held, when it returns."""
        with self._app.turn:
            self._restore()
            self.keep()
        self._thread.start()

    def _restore(self) -> None:
        """From the snapshot, then from the log of what came after it."""
        ask = self._app.ask
        ask(f"{_DYNAMODB}.CreateTable", creation(self._table))
        for start in range(0, len(self._kept.items), _BATCH):
            puts = [{"PutRequest": {"Item": item}} for item in self._kept.items[start : start + _BATCH]]
            ask(f"{_DYNAMODB}.BatchWriteItem", {"RequestItems": {self._table: puts}})
        made = ask("secretsmanager.CreateSecret", {"Name": SECRET, "SecretString": self._kept.secret})
        # Without its random end, so that it names the same secret after the next start.
        self.secret_arn = str(made["ARN"]).rpartition("-")[0]
        self._app.replay()

    def keep(self) -> None:
        """Writes a snapshot; the log begins anew."""
        with self._app.turn:
            secret = self._app.ask("secretsmanager.GetSecretValue", {"SecretId": SECRET})["SecretString"]
            self._kept = Snapshot(items_of(self._table, REGION), secret)
            keeping.write(self._file, self._kept)
            self._app.forget()

    def stop(self) -> None:
        """After a last snapshot."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.keep()
