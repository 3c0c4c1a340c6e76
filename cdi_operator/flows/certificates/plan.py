"""Who vouches for a server, who trusts it, what it shows: one step at a time, in an order that breaks no connection.

    1  the authority has a certificate that is not due           else a new one is issued
    2  the bundle has it, and those before it until they end      else it is written
    3  whoever calls the server trusts the bundle                 else they are told
    4  the server's certificate is not due, and in the bundle     else a new one is issued

So nothing is shown that is not trusted yet, and a step that is done wakes this flow for the next. An edited not-after
makes a certificate due, as in the reference (spec 8.4). Keys are random: a plan says what to issue, and
`cluster.certificates` makes it.
"""

from __future__ import annotations

import base64
from datetime import datetime

from cryptography.x509 import Certificate

from cdi_operator.flows.actions import Ensure, Plan, Wait
from cdi_operator.flows.certificates import pem
from cdi_operator.flows.certificates.lifetimes import Lifetime
from cdi_operator.flows.certificates.objects import bundle_object, dns_names, informed, new_server, new_signer
from cdi_operator.flows.certificates.state import Pair, State
from cdi_operator.flows.settings import Settings

LOOK_AGAIN_S = 60.0
"""At least so often; a timer alone misses a clock that jumps."""


def plan(state: State, settings: Settings, now: datetime) -> Plan:
    return (*step(state, settings, now), Wait(look_again_s(state, now)))


def step(state: State, settings: Settings, now: datetime) -> Plan:
    if why := due(state.signer, state.ca_lifetime, now):
        return (new_signer(state, settings, now, why),)
    bundle = trusted(state, now)
    if bundle != state.bundle:
        return (Ensure(bundle_object(state, settings, bundle)),)
    told = base64.b64encode(bundle.encode()).decode()
    if uninformed := tuple(each for each in state.callers if any(known != told for known in each.trusts.values())):
        return tuple(Ensure(informed(each, told)) for each in uninformed)
    if why := due(state.server, state.server_lifetime, now) or unfit(state):
        return (new_server(state, settings, now, why),)
    return ()


def due(pair: Pair | None, lifetime: Lifetime, now: datetime) -> str:
    """Why a certificate has to be replaced; empty when it has not."""
    if pair is None:
        return "there is none"
    if pair.certificate is None:
        return "it cannot be read"
    if pair.begins is None or pair.ends is None:
        return "its annotations do not say how long it is valid"
    if pair.lifetime != lifetime.note:
        return "its lifetime was configured anew"
    if now >= min(pair.ends, pair.certificate.not_valid_after_utc):
        return "it has ended"
    if now < pair.certificate.not_valid_before_utc:
        return "it has not begun"
    return "it is due" if now >= renewal(pair.ends, pair.certificate, lifetime) else ""


def renewal(ends: datetime, certificate: Certificate, lifetime: Lifetime) -> datetime:
    """When a certificate is replaced that is said to end then. One that was not issued for a whole lifetime, since its
    authority ends before, lives for half of what it has: it would be due at once, and its successor as well.
    """
    span = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return ends - min(lifetime.renew_before, span / 2)


def unfit(state: State) -> str:
    """Why the server's certificate does not do, although it is not due."""
    certificate = state.server.certificate if state.server else None
    if certificate is None:
        return "there is none"
    if not set(dns_names(state)) <= pem.dns_names(certificate):
        return "it is not for this server"
    authorities = pem.certificates(state.bundle or "")
    return "" if any(pem.is_signed_by(certificate, each) for each in authorities) else "nobody trusts its issuer"


def look_again_s(state: State, now: datetime) -> float:
    pairs = ((state.signer, state.ca_lifetime), (state.server, state.server_lifetime))
    renewals = [
        renewal(pair.ends, pair.certificate, lifetime)
        for pair, lifetime in pairs
        if pair and pair.ends and pair.certificate
    ]
    soonest_s = min(((at - now).total_seconds() for at in renewals), default=LOOK_AGAIN_S)
    return min(LOOK_AGAIN_S, max(1.0, soonest_s))


def trusted(state: State, now: datetime) -> str:
    """The bundle: what it has that is still valid, and the signer's certificate."""
    kept = [each for each in pem.certificates(state.bundle or "") if now < each.not_valid_after_utc]
    signer = state.signer.certificate if state.signer else None
    return pem.bundle(kept if signer is None or signer in kept else [*kept, signer])
