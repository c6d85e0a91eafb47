# Image of ad-connector: one binary on a base without a shell, run by a user without rights.
# Builds alike with BuildKit and with the classic builder (no cache mounts, no heredocs).

ARG RUST_IMAGE=rust:1.95-bookworm
# glibc, libgcc_s, CA certificates and time zones, nothing to log in with. The same glibc as the build image's.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST_IMAGE} AS build
WORKDIR /build

# MIT's Kerberos library, and what makes its header readable for Rust. A base that has them needs no network here.
RUN dpkg --status libclang-dev libkrb5-dev pkg-config >/dev/null 2>&1 \
 || { apt-get update \
   && apt-get install --yes --no-install-recommends libclang-dev libkrb5-dev pkg-config \
   && rm -rf /var/lib/apt/lists/*; }

# The dependencies in a layer of their own: it is built again only when a manifest or the lock file changes. Cargo wants
# every target that the manifests name to exist, so each gets an empty stand-in; tests/lab is a member of the workspace,
# but only its manifest is needed.
COPY Cargo.toml Cargo.lock ./
COPY tests/lab/Cargo.toml tests/lab/
RUN mkdir -p src benches tests/lab/src \
 && touch src/lib.rs tests/lab/src/lib.rs \
 && echo 'fn main() {}' > src/main.rs \
 && awk -F'"' '/^\[/ { folder = "" } /^\[\[bench\]\]/ { folder = "benches" } /^\[\[test\]\]/ { folder = "tests" } \
               folder && /^name/ { print folder "/" $2 ".rs" }' Cargo.toml \
    | while read -r file; do echo 'fn main() {}' > "$file"; done \
 && cargo build --release --locked --features kerberos --bin ad-connector

# COPY keeps the files' own times, which may be older than the stand-ins just built: cargo must see a change.
COPY config config
COPY src src
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked --features kerberos --bin ad-connector \
 && mkdir state

# The parts of MIT Kerberos that the binary loads, at their places, with their copyright.
RUN mkdir root \
 && ldd target/release/ad-connector | awk '$1 ~ /krb5|k5crypto|com_err|keyutils/ { print $1, $3 }' \
    | while read -r name library; do \
        file=$(readlink -f "$library") \
        && install -D -m 644 "$file" "root$(dirname "$file")/$name" || exit 1; \
      done \
 && for package in libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1; do \
        install -D -m 644 "/usr/share/doc/$package/copyright" "root/usr/share/doc/$package/copyright" || exit 1; \
    done \
 && ls root/usr/lib/*/libgssapi_krb5.so.2

FROM ${RUNTIME_IMAGE}
# docker build --build-arg VERSION=… --build-arg REVISION=$(git rev-parse HEAD) --build-arg CREATED=$(date -u +%FT%TZ)
ARG VERSION=0.2.0
ARG REVISION=unknown
ARG CREATED=unknown
ARG RUNTIME_IMAGE
LABEL org.opencontainers.image.title="ad-connector" \
      org.opencontainers.image.description="Reads users and groups from Microsoft Active Directory and delivers them to Qualys ETM as assets" \
      org.opencontainers.image.vendor="ad-connector" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"

COPY --from=build /build/root/ /
COPY --from=build /build/target/release/ad-connector /usr/local/bin/ad-connector
# Kerberos tickets stay in memory: the container's root is read-only.
ENV KRB5CCNAME=MEMORY:
# For reference and as a start for one's own table; the same table is compiled in. compose.yaml mounts ./config here.
COPY config/mapping.toml /etc/ad-connector/mapping.toml
# A new named volume takes its owner from here.
COPY --from=build --chown=65532:65532 /build/state /var/lib/ad-connector
VOLUME /var/lib/ad-connector

# By number, so that Kubernetes' runAsNonRoot can verify it without a passwd file. 65532 is "nonroot" in distroless.
USER 65532:65532
WORKDIR /var/lib/ad-connector
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["/usr/local/bin/ad-connector", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/ad-connector"]
CMD ["run"]
