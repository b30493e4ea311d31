"""All settings, in one class. Order: OUTDIAL_* variables, then the file, then these defaults.

The file is TOML: `outdial.toml` in the working directory, or the path in OUTDIAL_CONFIG.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self, get_args

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from outdial.net.addresses import Allowed
from outdial.net.mail_server import MailServer, check_sender
from outdial.telephony.verdict import DetectedBy
from outdial.vendor_settings import SpeechServer, model_keys, speech_servers

PREFIX = "OUTDIAL_"
MEDIA_PATH = "/media/"
STORES = ("s3://", "gs://", "az://", "file:///")  # of recordings

Days = Annotated[int, Field(ge=0, le=36_500)]  # how long something is kept; 0: for ever


class Settings(BaseSettings):
    """What an operator can set. Every field is also `OUTDIAL_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    database_url: SecretStr | None = Field(
        None, description="postgresql://… ; without it an embedded PostgreSQL runs in the data directory"
    )
    direct_database_url: SecretStr | None = Field(
        None,
        description="postgresql://… to PostgreSQL itself, where the database URL leads to a pooler in transaction mode "
        "(PgBouncer): for locks, notifications, background jobs, migrations and commands, which need a session",
    )
    replica_database_url: SecretStr | None = Field(
        None,
        description="postgresql://… to a streaming replica of the database, for lists, searches, exports and the "
        "API's overview while it is near enough; else, and for all else, the database itself is asked",
    )
    replica_max_lag_s: float = Field(
        10.0, gt=0, description="A replica that is further behind isn't asked, until it has caught up"
    )
    data_dir: Path = Field(
        Path(".outdial"), description="Recordings, cached prompts, the embedded database, the secret key"
    )
    store_url: str | None = Field(
        None,
        description="Where recordings go when they are whole, for every host to read: s3://bucket/folder, gs://…, "
        "az://…, or file:///mnt/… that all of them see. Credentials are in the variables of the store's kind (AWS_…, "
        "GOOGLE_…, AZURE_…). Default: they stay in the data directory",
    )
    host: str = Field("127.0.0.1", description="Address the HTTP server listens on")
    port: int = Field(8080, ge=0, le=65535, description="Port the HTTP server listens on")
    public_url: str | None = Field(
        None,
        description="https://… under which carriers reach this server; signatures are checked against it. "
        "Default: http://<host>:<port>, which only the simulator can reach",
    )
    stream_url: str | None = Field(
        None,
        description="wss://… under which carriers reach this very process for the audio of calls, where several run; "
        "may have a path. Default: the public URL. With `outdial serve --processes`, {process} stands for the number "
        "of the process and {port} for its own port",
    )
    internal_url: str | None = Field(
        None,
        description="http://… under which Outdial's other processes reach this one: people listen to its calls from "
        "any of them. Not for the world. With `outdial serve --processes`, as OUTDIAL_STREAM_URL; by default those of "
        "one machine reach each other",
    )
    seats: int = Field(
        300,
        ge=1,
        le=10_000,
        description="Conversations this process holds at once; calls wait where no process has a seat for one more. A "
        "core holds 350 that talk; the processes of `outdial serve --processes` share the cores there are",
    )
    simulator_url: str | None = Field(
        None,
        description="Where the carrier simulator runs, for a phone in the browser that can be called. `outdial demo` "
        "sets it; not for a server that strangers can reach",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Encrypts carrier credentials at rest. Default: made once, kept in <data_dir>/secret_key",
    )
    old_secret_key: SecretStr | None = Field(
        None, description="The secret key before this one, while it is rotated: see docs/operate.md"
    )
    allowed_private_hosts: str = Field(
        "",
        description="Hosts, addresses or networks, separated by commas, that URLs of users (webhooks, …) may reach "
        "although they are private, also by http://: n8n.internal, 10.0.0.0/8",
    )
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="Addresses or networks, separated by commas, of proxies whose X-Forwarded-For is believed: it says "
        "whom to slow down for wrong passwords. Where a raw tunnel (TCP, ssh -R) ends on this machine, strangers come "
        "from 127.0.0.1 and may write what they like into that header: set it to nothing there",
    )
    log_level: str = Field("info", description="debug, info, warning or error")

    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="With it as its bearer token Prometheus sees this process and all workspaces at /metrics; an "
        "operator's API key sees its own workspace there",
    )

    smtp_url: SecretStr | None = Field(
        None,
        description="The mail server that e-mails of alerts are handed to: smtps://user:password@mail.example.com, or "
        "smtp:// with STARTTLS, or smtp+plain:// without encryption for a relay nearby",
    )
    smtp_sender: str | None = Field(
        None, max_length=300, description="Whose e-mails they are: Outdial <alerts@example.com>; goes with the URL"
    )

    model_servers: SecretStr | None = Field(
        None,
        description="Servers with OpenAI's interface that llm agents may use, each with its API key (nothing where it "
        'needs none), as JSON: {"https://api.openai.com/v1": "sk-…", "http://127.0.0.1:11434/v1": ""}. A key goes to '
        "no other server, whatever an agent names. OpenAI's may be in OPENAI_API_KEY instead",
    )
    speech_vendors: SecretStr | None = Field(
        None,
        description="Speech vendors that need no secret of a workspace, or are reached elsewhere than usual, as JSON: "
        '{"deepgram": {"key": "…"}, "openai": {"url": "http://127.0.0.1:8000/v1"}}. A key there is every workspace\'s '
        "that has none of its own",
    )

    agents: Path | None = Field(
        None,
        description="Agents written in Python: a file, or a folder of them. Their code runs in the server, so whoever "
        "may write there may do what the server may",
    )
    reload_agents: bool = Field(
        False, description="Read their files again when they change: for writing them. `outdial demo` sets it"
    )

    max_body_bytes: int = Field(1_000_000, ge=1_000, description="Larger request bodies are refused with 413")
    max_connections: int = Field(
        4096,
        ge=10,
        description="HTTP connections open at once, calls' audio not counted; at most half of the files the process "
        "may open. Where all are taken, the one that has waited longest without a request is closed for a new one",
    )
    max_connections_per_address: int = Field(
        512, ge=1, description="The same, from one network address (IPv6: /64); trusted proxies are exempt"
    )
    max_event_streams: int = Field(
        200,
        ge=1,
        description="Event streams (also of live pages) that one key or person may follow at once, a process; and "
        "requests of one key at /mcp",
    )
    max_requests_per_s: float = Field(
        50.0,
        gt=0,
        description="Requests of one API key a second, in a process, and twice as many at once after a pause; then 429",
    )
    max_queued_calls: int = Field(100_000, ge=1, description="Calls waiting for a line, per workspace")
    default_ring_timeout_s: int = Field(30, ge=5, le=600, description="Used when a call doesn't say")
    default_max_duration_s: int = Field(1800, ge=10, le=14_400, description="Used when a call doesn't say")

    amd_by: DetectedBy = Field(
        DetectedBy.CARRIER,
        description="Who finds out who answered where a call's `amd` doesn't say: carrier, local (Outdial), or both",
    )

    lease_s: float = Field(15.0, gt=0, description="A worker renews its lease on an attempt within this time")
    sweep_every_s: float = Field(5.0, gt=0, description="How often silent calls are looked for")
    silent_after_s: float = Field(
        20.0, gt=0, description="A call without a sign of life for this long is looked up at the carrier"
    )
    settle_s: float = Field(
        30.0,
        ge=0,
        description="How long after a dial with an unknown outcome the carrier's own list of calls is believed",
    )
    stream_start_timeout_s: float = Field(
        10.0, gt=0, description="An answered call whose media stream hasn't opened by then ends as failed"
    )

    drain_s: float = Field(
        60.0,
        ge=0,
        description="How long calls may go on when the server is to stop (SIGTERM, Ctrl-C); 0: they are cut at once",
    )
    goodbye: str = Field(
        "I'm sorry, I have to end this call now. Goodbye.",
        max_length=300,
        description='What a callee hears whose call is cut because the server stops; "": nothing',
    )

    keep_idempotency_keys_days: Days = Field(
        30,
        description="How long a request with an Idempotency-Key may be repeated: at least so many days, and as long as "
        "its call goes on. 0, here and in the others: nothing is deleted",
    )
    keep_callbacks_days: Days = Field(30, description="How long what carriers told stays, as it came")
    keep_commands_days: Days = Field(30, description="How long what somebody wanted of a live call stays")
    keep_call_events_days: Days = Field(
        365, description="How long what happened to a call can be read step by step (the call itself stays)"
    )
    keep_webhooks_days: Days = Field(
        30, description="How long it can be looked up what was sent to webhooks, and sent again"
    )
    keep_sign_ins_days: Days = Field(30, description="How long sign-ins and links stay that have ended")
    keep_failed_jobs_days: Days = Field(30, description="How long background work stays that failed")

    @model_validator(mode="after")
    def _beside_a_database(self) -> Self:
        if self.database_url is None and self.direct_database_url is not None:
            raise ValueError("OUTDIAL_DIRECT_DATABASE_URL goes with an OUTDIAL_DATABASE_URL, the pooler's")
        if self.database_url is None and self.replica_database_url is not None:
            raise ValueError("OUTDIAL_REPLICA_DATABASE_URL goes with an OUTDIAL_DATABASE_URL, the primary's")
        return self

    @field_validator("public_url", "internal_url")
    @classmethod
    def _no_trailing_slash(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with https:// (or http:// for the simulator)")
        return value.rstrip("/")

    @field_validator("store_url")
    @classmethod
    def _store(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(STORES):
            raise ValueError(f"starts with one of {', '.join(STORES)}")
        return None if value is None else value.rstrip("/")

    @field_validator("stream_url")
    @classmethod
    def _websocket(cls, value: str | None) -> str | None:
        """Written as https:// it means the same."""
        if value is None:
            return None
        if value.startswith(("http://", "https://")):
            value = "ws" + value.removeprefix("http")
        if not value.startswith(("ws://", "wss://")) or "?" in value or "#" in value:
            raise ValueError("must be wss://… (or ws:// for the simulator), without anything after the path")
        return value.rstrip("/")

    @field_validator("allowed_private_hosts")
    @classmethod
    def _hosts_and_networks(cls, value: str) -> str:
        Allowed.parse(value)
        return value

    @property
    def allowed_private(self) -> Allowed:
        return Allowed.parse(self.allowed_private_hosts)

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            MailServer.parse(value.get_secret_value())
        return value

    @field_validator("smtp_sender")
    @classmethod
    def _sender(cls, value: str | None) -> str | None:
        if value is not None:
            check_sender(value)
        return value

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if self.smtp_url is not None and self.smtp_sender is None:
            raise ValueError("OUTDIAL_SMTP_URL takes an OUTDIAL_SMTP_SENDER, too")
        return self

    @field_validator("model_servers")
    @classmethod
    def _keys_by_url(cls, value: SecretStr | None) -> SecretStr | None:
        model_keys(value)
        return value

    @field_validator("speech_vendors")
    @classmethod
    def _speech_by_vendor(cls, value: SecretStr | None) -> SecretStr | None:
        speech_servers(value)
        return value

    @property
    def model_keys(self) -> Mapping[str, str]:
        """By the base URL of each server that llm agents may use."""
        return model_keys(self.model_servers)

    @property
    def speech_servers(self) -> Mapping[str, SpeechServer]:
        """By the names of speech vendors."""
        return speech_servers(self.speech_vendors)

    @property
    def base_url(self) -> str:
        """The URL carriers and API users are told."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def stream_base_url(self) -> str:
        """Under which carriers open the audio of calls that are talked on here."""
        return self.stream_url or "ws" + self.base_url.removeprefix("http")

    def callback_url(self, carrier: str, attempt_id: str) -> str:
        """Where a carrier tells of an attempt; the kind of callback follows."""
        return f"{self.base_url}/callbacks/{carrier}/{attempt_id}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=settings_file())


def media_url(stream_base_url: str, carrier: str, attempt_id: str, token: str) -> str:
    """Where a carrier opens the audio of an attempt: at the worker that has its seat."""
    return f"{stream_base_url}{MEDIA_PATH}{carrier}/{attempt_id}/{token}"


SECRETS = tuple(name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation))


def settings_file() -> Path:
    """The TOML file, which need not exist."""
    return Path(os.environ.get("OUTDIAL_CONFIG", "outdial.toml"))


def variable(name: str) -> str:
    """What a setting is called in the environment."""
    return PREFIX + name.upper()
