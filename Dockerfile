#   docker build -t moratorium .                    the proxy
#   docker build -t moratorium-demo --target demo . the demonstration's face server and issuer
#
# BASE is any image with python3 (3.11 or newer) and its venv module on PATH.
ARG BASE=python:3.12-slim-bookworm

# ---- what both images need to build
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /build
RUN python3 -m venv /opt/moratorium
COPY requirements/base.lock requirements/
RUN /opt/moratorium/bin/python3 -m pip install --require-hashes --only-binary :all: -r requirements/base.lock
COPY . .
RUN /opt/moratorium/bin/python3 -m pip install --no-deps .

# ---- the same with the recogniser beside it
FROM build AS build-demo
RUN /opt/moratorium/bin/python3 -m pip install --require-hashes -r requirements/demo.lock

# ---- what both images need to run: a user without a name, a folder for the audit, nothing else
FROM ${BASE} AS runtime
RUN install -d -m 0750 -o 10001 -g 10001 /var/lib/moratorium
ENV PATH=/opt/moratorium/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/moratorium
USER 10001:10001
STOPSIGNAL SIGTERM

# ---- docker build --target demo
FROM runtime AS demo
COPY --from=build-demo /opt/moratorium /opt/moratorium
EXPOSE 9000
ENTRYPOINT []
CMD ["python3", "-m", "proxy.demo.faceserver", "--host", "0.0.0.0", "--port", "9000"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9000/healthz', timeout=2)"]

# ---- docker build
FROM runtime AS proxy
COPY --from=build /opt/moratorium /opt/moratorium
ENV MORATORIUM_LISTEN=0.0.0.0:8080 MORATORIUM_METRICS_LISTEN=0.0.0.0:9464
EXPOSE 8080 9464
ENTRYPOINT ["moratorium"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["moratorium", "healthcheck"]
LABEL org.opencontainers.image.title="moratorium" \
      org.opencontainers.image.description="A reverse proxy that enforces moratoria on face recognition" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.documentation="docs/operations.md"
