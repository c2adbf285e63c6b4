# The images of `make images`, for those who have Docker: docker build --target webhook -t bp-openclaw/webhook .
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY rust-toolchain.toml ./
RUN rustup target add "$(uname -m)-unknown-linux-musl"
COPY . .
# These images are kept and pulled: smaller is worth the minutes.
ENV CARGO_PROFILE_IMAGE_LTO=fat CARGO_PROFILE_IMAGE_CODEGEN_UNITS=1
RUN cargo build --profile image --target "$(uname -m)-unknown-linux-musl" -p webhook -p sidecar -p spawner -p runtime \
 && mkdir /out && for program in webhook sidecar spawner runtime; do \
      cp "target/$(uname -m)-unknown-linux-musl/image/$program" /out/; done

FROM scratch AS webhook
COPY --from=build /out/webhook /webhook
USER 65532
ENTRYPOINT ["/webhook"]

FROM scratch AS sidecar
COPY --from=build /out/sidecar /sidecar
USER 65532
ENTRYPOINT ["/sidecar"]

FROM scratch AS spawner
COPY --from=build /out/spawner /spawner
USER 65532
ENTRYPOINT ["/spawner"]

FROM scratch AS runtime
COPY --from=build /out/runtime /runtime
USER 65532
ENTRYPOINT ["/runtime"]
