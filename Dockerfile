# syntax=docker/dockerfile:1
# The image of answer-gateway: one binary on a slim base, run by a user without rights.
#   docker build --tag answer-gateway .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag answer-gateway .
# The same steps without an engine, in a root of their own: scripts/image

ARG RUST_VERSION=1.95.0
ARG DEBIAN=bookworm

FROM rust:${RUST_VERSION}-slim-${DEBIAN} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
COPY deploy/image/packages-to-build /packages
# hadolint ignore=DL3008
RUN apt-get update \
    && grep --invert-match '^#' /packages | xargs apt-get install --yes --no-install-recommends \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
ARG TARGETPLATFORM=linux/amd64
# Libraries, and what was compiled of them, stay in the builder's cache, one a platform.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/target,id=target-${TARGETPLATFORM},sharing=locked \
    CARGO_TARGET_DIR=/target deploy/image/build /image

FROM debian:${DEBIAN}-slim
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
COPY deploy/image/packages-to-run /packages
# hadolint ignore=DL3008
RUN apt-get update \
    && grep --invert-match '^#' /packages | xargs apt-get install --yes --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /packages
COPY --from=build /image/ /
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="answer-gateway" \
      org.opencontainers.image.description="Publishes questions from WebSockets to Kafka and brings each answer to the session that asked" \
      org.opencontainers.image.licenses="Apache-2.0" \
      answer-gateway.sbom="/usr/share/doc/answer-gateway/Cargo.lock" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Probes and metrics come from outside the container.
ENV GATEWAY__ADMIN__ADDRESS=0.0.0.0
USER 65532:65532
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["answer-gateway", "health"]
ENTRYPOINT ["answer-gateway"]
CMD ["run"]
