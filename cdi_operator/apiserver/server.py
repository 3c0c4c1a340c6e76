"""Serves the webhooks over HTTPS, with whatever certificate the controller has issued last.

It listens as soon as there is a certificate, and goes on with a newer one without a restart. Asked to stop, it serves
on for a while: the API server learns only then, through the service's endpoints, that it is to ask somebody else.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import Any

import structlog
from aiohttp import web

from cdi_operator.apiserver import tls
from cdi_operator.apiserver.verdict import Verdict, refused, response
from cdi_operator.apiserver.webhooks import WEBHOOKS, Webhook
from cdi_operator.cluster.cache import Cache
from cdi_operator.cluster.client import Client
from cdi_operator.cluster.errors import ApiError, Unreachable
from cdi_operator.cluster.informer import Informer, Selection
from cdi_operator.flows.actions import Object
from cdi_operator.flows.certificates.authorities import API_SERVER
from cdi_operator.flows.defaults import defaults
from cdi_operator.wiring.log import set_verbosity

log = structlog.get_logger(__name__)

LARGEST_REVIEW_BYTES = 8 << 20
"""An AdmissionReview holds an object twice, before and after, each up to etcd's limit of 1.5 MiB."""
LINGER_S = 5.0
"""How long the news that a pod is going takes to get around."""


class Server:
    def __init__(self, client: Client, namespace: str, verbosity: int) -> None:
        self._client = client
        self._verbosity = verbosity
        self._context = tls.context()
        self._shows_certificate = asyncio.Event()
        self._leaving = False
        self._cache = Cache()
        self._cache.subscribe(self._seen)
        self._certificates = Informer(
            client, self._cache, Selection("Secret", namespace=namespace, name=API_SERVER.server)
        )
        self._settings = Informer(client, self._cache, Selection("CDIConfig", name="config"))

    async def run(self, port: int) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as following:
            following.create_task(self._settings.run())
            following.create_task(self._certificates.run())
            await self._certificates.synced.wait()
            if not self._shows_certificate.is_set():
                log.info("waiting", until=f"the controller has issued the secret {API_SERVER.server}")
                await self._shows_certificate.wait()
            await self._serve(port)

    async def _serve(self, port: int) -> None:
        app = web.Application(client_max_size=LARGEST_REVIEW_BYTES)
        app.router.add_get("/healthz", self._healthz)
        for path, webhook in WEBHOOKS.items():
            app.router.add_post(path, self._answering(webhook))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=LINGER_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, port=port, ssl_context=self._context).start()
            log.info("serving", port=port)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self._leaving = True
            await asyncio.sleep(LINGER_S)
            raise
        finally:
            await runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="leaving" if self._leaving else "ok", status=503 if self._leaving else 200)

    def _answering(self, webhook: Webhook) -> Any:
        async def answer(request: web.Request) -> web.Response:
            review = json.loads(await request.read())
            said = web.json_response(response(review, await self._judge(webhook, review["request"])))
            if self._leaving:
                said.force_close()
            return said

        return answer

    async def _judge(self, webhook: Webhook, asked: Object) -> Verdict:
        about = {"operation": asked["operation"], "resource": asked["resource"]["resource"]}
        place = {"namespace": asked.get("namespace", ""), "name": asked.get("name", "")}
        try:
            verdict = await webhook(self._client, asked)
        except (ApiError, Unreachable) as error:
            log.error("cannot judge", **about, **place, error=str(error))
            return refused(str(error))
        except Exception as error:
            log.exception("cannot judge", **about, **place)
            return refused(f"{type(error).__name__}: {error}")
        if verdict.code:
            log.info("refused", **about, **place, user=asked["userInfo"].get("username"), said=verdict.message)
        else:
            log.debug("allowed", **about, **place, changed=bool(verdict.patch))
        return verdict

    def _seen(self, obj: Object) -> None:
        (self._heed if obj["kind"] == "CDIConfig" else self._show)(obj)

    def _heed(self, config: Object) -> None:
        """What the reference restarts its pods for."""
        spec = config.get("spec") or {}
        tls.obey(self._context, spec.get("tlsSecurityProfile") or {})
        set_verbosity(defaults(self._cache).verbosity or self._verbosity)

    def _show(self, secret: Object) -> None:
        about = {"secret": secret["metadata"]["name"], "version": secret["metadata"]["resourceVersion"]}
        try:
            data = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
            tls.show(self._context, data.get("tls.crt", b""), data.get("tls.key", b""))
        except (tls.UnusableCertificateError, binascii.Error) as error:
            log.error("the certificate is of no use, keeping the one before", **about, error=str(error))
            return
        log.info("shows a certificate", **about)
        self._shows_certificate.set()
