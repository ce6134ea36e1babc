# The server as a container image: the program, its libraries and certificates; no shell, not root. docs/deploy.md shows its use.
FROM debian:12-slim AS build
WORKDIR /tertulia
# What a change of the sources does not need again.
COPY dev ./
COPY tools/packages.txt tools/
COPY tools/dev tools/dev
RUN ./dev deps build
COPY . .
RUN ./dev build && tools/image_root.sh build/release/tertulia /image

FROM scratch
COPY --from=build /image /
ENV TERTULIA_LISTEN=0.0.0.0:8080 TERTULIA_STORE=sqlite:/data/tertulia.db
WORKDIR /data
VOLUME /data
EXPOSE 8080
USER 65532:65532
ENTRYPOINT ["/usr/bin/tertulia"]
CMD ["serve"]
