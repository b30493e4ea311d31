"""The speech an agent brings: its author's choice, made an engine, with the key of the agent's workspace.

A key is a secret of the workspace, named as its vendor says. Where a workspace has none, the operator's counts
(settings: speech_vendors), whoever's agent it is: for a server with one workspace, or one whose operator pays. It
doesn't stand in for one that is there and can't be used: nobody would notice who pays.
"""

import logging
from collections.abc import Callable, Collection, Mapping

import httpx

from outdial.agents.tools.asks import Secrets
from outdial.secrets.store import SecretMissing, SecretNotForHost, SecretUnreadable
from outdial.speech.choice import SpeechChoice
from outdial.speech.engines import NONE_OWN, OwnSpeech
from outdial.speech.vendor import Access, KeyMissing, Vendor
from outdial.speech.vendors import VENDORS
from outdial.vendor_settings import SpeechServer

logger = logging.getLogger(__name__)


class SpeechVendors:
    """Of a process. `servers`: what its operator says of vendors, by name; `secrets_of`: a workspace."""

    def __init__(self, servers: Mapping[str, SpeechServer], secrets_of: Callable[[str], Secrets]) -> None:
        for name in servers.keys() - VENDORS.keys():
            logger.warning("Speech vendor unknown", extra={"setting": "speech_vendors", "vendor": name[:40]})
        self._servers = servers
        self._secrets_of = secrets_of

    @property
    def with_key(self) -> frozenset[str]:
        """Vendors that can be used without a workspace's key."""
        return with_key(self._servers)

    def prices(self, name: str) -> Mapping[str, float]:
        """The operator's, in dollars, as vendor_settings.SpeechServer has them; none that aren't known."""
        server = self._servers.get(name)
        return {} if server is None else server.prices

    def own(self, workspace_id: str, choice: SpeechChoice, language: str) -> OwnSpeech:
        """Nobody is connected to yet."""
        voice, recognition = choice.voice, choice.recognition
        if voice is None and recognition is None:
            return NONE_OWN
        to_text = from_text = None
        if recognition is not None and (recogniser := VENDORS[recognition.vendor].recogniser) is not None:
            to_text = recogniser.open(recognition, self.access(workspace_id, recognition.vendor), language)
        if voice is not None and (synthesiser := VENDORS[voice.vendor].synthesiser) is not None:
            from_text = synthesiser.open(voice, self.access(workspace_id, voice.vendor), language)
        return OwnSpeech(to_text=to_text, from_text=from_text)

    def access(self, workspace_id: str, name: str) -> Access:
        """To the vendor of that name. Raises KeyError where there is none."""
        vendor, server = VENDORS[name], self._servers.get(name, SpeechServer())
        url = server.url or vendor.url
        secrets = self._secrets_of(workspace_id)

        async def key() -> str:
            try:
                return (await secrets([vendor.key_name], httpx.URL(url).host))[vendor.key_name]
            except SecretMissing as error:
                if _needs_none(vendor, server):  # what is bound to the vendor's hosts is no key for the operator's
                    return server.key or ""
                if server.key is None or isinstance(error, SecretNotForHost | SecretUnreadable):
                    raise KeyMissing(str(error)) from error
                return server.key

        return Access(url=url, key=key)


def with_key(servers: Mapping[str, SpeechServer]) -> frozenset[str]:
    return frozenset(
        name
        for name, server in servers.items()
        if name in VENDORS and (server.key is not None or _needs_none(VENDORS[name], server))
    )


def missing_keys(choice: SpeechChoice, secrets: Collection[str], having_key: Collection[str]) -> Mapping[str, int]:
    """The secrets that a workspace with these `secrets` doesn't have and this choice needs, each with its line."""
    return {
        VENDORS[name].key_name: line
        for name, line in choice.vendors.items()
        if VENDORS[name].key_name not in secrets and name not in having_key
    }


def _needs_none(vendor: Vendor, server: SpeechServer) -> bool:
    return vendor.keyless and server.url is not None
