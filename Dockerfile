FROM python:3.12-slim AS build
# Set these with --build-arg (or in the environment of docker compose) where the public index is out of reach.
ARG PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CACHE_DIR=/pip-cache
WORKDIR /src

# What changes seldom comes first: the third parties, in the versions that the tests ran with.
COPY pyproject.toml constraints.txt scripts/third-parties ./
RUN --mount=type=cache,target=/pip-cache \
    python third-parties pyproject.toml all > requirements.txt \
 && pip install --quiet --prefix=/installed -c constraints.txt -r requirements.txt

COPY README.md LICENSE ./
COPY schemas schemas
COPY producer producer
COPY processors processors
COPY sinks sinks
COPY cli cli
RUN --mount=type=cache,target=/pip-cache \
    pip install --quiet --prefix=/packages --no-deps .

FROM python:3.12-slim
RUN useradd --uid 10001 --home-dir /data --create-home agentgauge
COPY --from=build /installed /usr/local
COPY --from=build /packages /usr/local
ENV AGENTGAUGE_DATA_DIR=/data PYTHONUNBUFFERED=1
USER agentgauge
WORKDIR /data
ENTRYPOINT ["agentgauge"]
CMD ["--help"]
