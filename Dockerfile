# The server, the flusher and all commands: `docker build --tag memtrace .`
# For AWS, with what reaches its services: --build-arg LOCK=aws (`infra/push-image` does it)
# A base pinned by digest: --build-arg BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG LOCK=runtime
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/build.txt requirements/runtime.txt requirements/aws.txt requirements/
# Tools in one environment, what runs in another: every package by version and hash, none built here.
RUN python -m venv tools \
 && tools/bin/python -m pip install --quiet --no-deps --require-hashes --only-binary :all: -r requirements/build.txt \
 && python -m venv --without-pip /opt/memtrace \
 && tools/bin/python -m pip --python /opt/memtrace/bin/python install --quiet --no-deps --require-hashes \
    --only-binary :all: -r requirements/${LOCK:-runtime}.txt
COPY pyproject.toml README.md LICENSE memtrace.toml.example ./
COPY src src
RUN tools/bin/python -m hatchling build -t wheel -d dist \
 && tools/bin/python -m pip --python /opt/memtrace/bin/python install --quiet --no-deps --no-index dist/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="Memtrace" \
      org.opencontainers.image.description="Memory for fleets of AI agents" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 memtrace \
 && useradd --uid 10001 --gid memtrace --no-create-home --home-dir /var/lib/memtrace --shell /usr/sbin/nologin memtrace \
 && install -d -m 700 -o memtrace -g memtrace /var/lib/memtrace
COPY --from=build /opt/memtrace /opt/memtrace
ENV PATH=/opt/memtrace/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/memtrace \
    MEMTRACE_AUTH_DB_PATH=/var/lib/memtrace/memtrace.db \
    MEMTRACE_LOG_FORMAT=json
USER 10001:10001
WORKDIR /var/lib/memtrace
VOLUME /var/lib/memtrace
EXPOSE 9100
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["memtrace", "health"]
ENTRYPOINT ["memtrace"]
CMD ["serve"]
