# Outdial with its speech models, for one host or many: docs/deploy.md. Nothing is downloaded when it runs.
ARG PYTHON=3.13
# Of pyproject.toml: sound files in MP3, traces, and models of vendors. Others may be added, or all left out (--build-arg EXTRAS=).
ARG EXTRAS=languages,mp3,otel,vendors

FROM python:${PYTHON}-slim AS build
ARG EXTRAS
WORKDIR /build
RUN python -m venv /opt/outdial
COPY requirements/run.txt requirements/test.txt requirements/install requirements/
RUN requirements/install /opt/outdial/bin/python requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
# What extras bring is in the versions that the tests ran with.
RUN /opt/outdial/bin/python -m pip install --quiet --no-deps --no-build-isolation . \
    && /opt/outdial/bin/python -m pip install --quiet --no-build-isolation -c requirements/test.txt ".[${EXTRAS}]" \
    && /opt/outdial/bin/python -m pip uninstall --quiet --yes hatchling pip

FROM python:${PYTHON}-slim
# A number, so that an orchestrator can tell that it isn't root without looking into the image.
RUN groupadd --gid 10001 outdial \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/outdial --shell /usr/sbin/nologin outdial \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/outdial
COPY --from=build /opt/outdial /opt/outdial
# The root may be read-only: what is written goes to the data directory and to /tmp.
ENV PATH=/opt/outdial/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    OUTDIAL_DATA_DIR=/var/lib/outdial OUTDIAL_HOST=0.0.0.0
WORKDIR /var/lib/outdial
VOLUME /var/lib/outdial
USER 10001:10001
EXPOSE 8080
# Alive, not ready: a host that drains or waits for its database must not be restarted.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ.get(\"OUTDIAL_PORT\", 8080)}/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["outdial"]
CMD ["serve"]
